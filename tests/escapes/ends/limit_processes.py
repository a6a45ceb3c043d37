# Attempts: nothing hostile: more processes than the limit, and then a failure.
# Expect: limit_exceeded processes
# Limits: processes=32 wall_ms=15000
# Rootless: limit_exceeded processes | raised BlockingIOError because without a pids cgroup the kernel counts per user
import os
import time

while True:
    if os.fork() == 0:
        time.sleep(30)
        os._exit(0)
