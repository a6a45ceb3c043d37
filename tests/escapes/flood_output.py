# Attempts: fill the host's memory or disk with output.
# Expect: limit_exceeded output
# Limits: wall_ms=30000 output_hard_bytes=104857600 output_bytes=1048576
import os

block = b"x" * (1 << 20)
while True:
    os.write(1, block)
