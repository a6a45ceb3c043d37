# Attempts: nothing hostile: memory beyond the limit.
# Expect: limit_exceeded memory | raised MemoryError
# Limits: memory_bytes=268435456
import os

held = []
while True:
    held.append(bytearray(os.urandom(4096) * 1024))
