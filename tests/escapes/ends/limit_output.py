# Attempts: nothing hostile: more output than is tolerated.
# Expect: limit_exceeded output
# Limits: output_bytes=65536 output_hard_bytes=2097152 wall_ms=20000
while True:
    print('x' * 1000)
