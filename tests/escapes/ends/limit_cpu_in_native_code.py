# Attempts: nothing hostile: native code beyond the CPU limit that never looks for signals.
# Expect: limit_exceeded cpu
# Limits: cpu_ms=1000 wall_ms=20000
pow(3, 10**9)
