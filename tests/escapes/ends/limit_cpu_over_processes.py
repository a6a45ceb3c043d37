# Attempts: nothing hostile: CPU time spent by children only.
# Expect: limit_exceeded cpu
# Limits: cpu_ms=1500 wall_ms=20000
# Rootless: limit_exceeded cpu | limit_exceeded wall because without a cgroup a tree's CPU time is only sampled
import os

for _ in range(3):
    if os.fork() == 0:
        while True:
            pass
os.wait()
