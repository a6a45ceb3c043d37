# Attempts: look like a kill of ours by sending itself SIGKILL.
# Expect: crashed signal 9
import os
import signal

os.kill(os.getpid(), signal.SIGKILL)
