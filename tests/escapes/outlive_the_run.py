# Attempts: survive its own end as a daemon that keeps the output pipes open.
# Expect: completed
# Within: 5000
import os
import signal
import time

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for number in range(1, 32):
            try:
                signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError):
                pass
        while True:
            time.sleep(1)
    os._exit(0)
os.wait()
