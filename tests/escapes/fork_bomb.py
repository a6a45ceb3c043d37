# Attempts: fork without end, every child too.
# Expect: limit_exceeded processes | limit_exceeded wall | limit_exceeded cpu
# Limits: wall_ms=3000 processes=64
# Rootless: limit_exceeded wall | limit_exceeded cpu | limit_exceeded processes because without a pids cgroup the kernel only counts per user
# Within: 12000
import os

while True:
    try:
        os.fork()
    except OSError:
        pass
