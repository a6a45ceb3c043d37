# Attempts: nothing hostile: more output than is kept, less than is tolerated.
# Expect: completed truncated
# Limits: output_bytes=65536
for _ in range(4000):
    print("x" * 1000)
