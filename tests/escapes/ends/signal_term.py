# Attempts: nothing hostile: SIGTERM to itself.
# Expect: crashed signal 15
import os
import signal

signal.signal(signal.SIGTERM, signal.SIG_DFL)
os.kill(os.getpid(), signal.SIGTERM)
