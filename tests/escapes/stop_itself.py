# Attempts: hold its slot for ever by stopping itself.
# Expect: limit_exceeded wall
# Limits: wall_ms=1500
# Within: 6000
import os
import signal

os.kill(os.getpid(), signal.SIGSTOP)
print("continued")
