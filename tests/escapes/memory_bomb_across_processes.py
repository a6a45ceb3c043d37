# Attempts: take more memory than its limit by spreading it over many processes.
# Expect: limit_exceeded memory
# Limits: memory_bytes=268435456 wall_ms=10000
# Rootless: bounded otherwise because without a cgroup memory is capped per process and only sampled for the tree
import os
import time

for _ in range(16):
    if os.fork() == 0:
        held = [bytearray(os.urandom(4096) * 256) for _ in range(64)]
        time.sleep(3)
        os._exit(0)
    time.sleep(0.05)
time.sleep(3)
print('{"escaped": true}')
