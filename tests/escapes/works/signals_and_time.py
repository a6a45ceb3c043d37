# Attempts: nothing hostile: an alarm, the clock, encodings, time zones.
# Expect: completed works
import datetime
import signal
import sys
import time

seen = []
signal.signal(signal.SIGALRM, lambda *_: seen.append(1))
signal.setitimer(signal.ITIMER_REAL, 0.05)
time.sleep(0.3)
assert seen
assert abs(time.time() - datetime.datetime.now().timestamp()) < 5
assert sys.getfilesystemencoding().lower().startswith("utf")
assert datetime.datetime.now(datetime.timezone.utc).tzinfo is not None
print("works")
