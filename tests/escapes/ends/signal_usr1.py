# Attempts: nothing hostile: SIGUSR1 to itself.
# Expect: crashed signal 10
import os
import signal

signal.signal(signal.SIGUSR1, signal.SIG_DFL)
os.kill(os.getpid(), signal.SIGUSR1)
