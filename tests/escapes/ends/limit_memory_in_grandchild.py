# Attempts: nothing hostile: a grandchild's memory beyond the limit.
# Expect: limit_exceeded memory
# Limits: memory_bytes=268435456
# Rootless: bounded otherwise because without a cgroup a grandchild's memory is capped, but its end is not seen
import os

if os.fork() == 0:
    if os.fork() == 0:
        held = []
        while True:
            held.append(bytearray(os.urandom(4096) * 1024))
    os.wait()
    os._exit(0)
os.wait()
raise SystemExit(1)
