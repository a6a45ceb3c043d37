# Attempts: nothing hostile: SIGILL to itself.
# Expect: crashed signal 4
import os
import signal

signal.signal(signal.SIGILL, signal.SIG_DFL)
os.kill(os.getpid(), signal.SIGILL)
