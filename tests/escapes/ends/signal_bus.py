# Attempts: nothing hostile: SIGBUS to itself.
# Expect: crashed signal 7
import os
import signal

signal.signal(signal.SIGBUS, signal.SIG_DFL)
os.kill(os.getpid(), signal.SIGBUS)
