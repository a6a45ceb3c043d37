# Attempts: use more CPU time than its limit in children whose ends it ignores, so that nobody adds their time up.
# Expect: limit_exceeded cpu
# Limits: cpu_ms=1000 wall_ms=15000
import os
import signal
import time

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
while True:
    if os.fork() == 0:
        end = time.process_time() + 0.1
        while time.process_time() < end:
            pass
        os._exit(0)
    time.sleep(0.08)
