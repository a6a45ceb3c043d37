# Attempts: nothing hostile: a busy loop beyond the CPU limit.
# Expect: limit_exceeded cpu
# Limits: cpu_ms=1000 wall_ms=20000
while True:
    pass
