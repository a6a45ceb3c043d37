# Attempts: outlive its wall limit by swallowing every exception and every polite signal.
# Expect: limit_exceeded wall
# Limits: wall_ms=1500
# Within: 6000
import signal
import sys
import threading
import time

for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM, signal.SIGHUP, signal.SIGUSR1, signal.SIGXCPU, signal.SIGPIPE):
    signal.signal(number, lambda *_: None)
threading.Thread(target=time.sleep, args=(300,)).start()
while True:
    try:
        time.sleep(0.2)
        sys.exit(0)
    except BaseException:
        pass
