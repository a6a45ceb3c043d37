# Attempts: nothing hostile: SIGQUIT to itself.
# Expect: crashed signal 3
import os
import signal

signal.signal(signal.SIGQUIT, signal.SIG_DFL)
os.kill(os.getpid(), signal.SIGQUIT)
