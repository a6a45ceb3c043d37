# Attempts: hold its slot without using any CPU time.
# Expect: limit_exceeded wall
# Limits: wall_ms=1500
# Within: 6000
import sys
import threading

sys.stdin.read()
threading.Event().wait()
