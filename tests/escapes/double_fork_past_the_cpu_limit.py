# Attempts: use more CPU time than its limit in orphans that each live for a moment.
# Expect: limit_exceeded cpu
# Limits: cpu_ms=1000 wall_ms=15000
import os
import time

while True:
    pid = os.fork()
    if pid == 0:
        if os.fork() == 0:
            end = time.process_time() + 0.05
            while time.process_time() < end:
                pass
        os._exit(0)
    os.waitpid(pid, 0)
    time.sleep(0.04)
