# Attempts: take all memory of the host.
# Expect: limit_exceeded memory | raised MemoryError
# Limits: memory_bytes=268435456 wall_ms=20000
import os

held = []
for _ in range(2048):
    held.append(bytearray(os.urandom(4096) * 2048))
print('{"escaped": true}')
