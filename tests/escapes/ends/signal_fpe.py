# Attempts: nothing hostile: SIGFPE to itself.
# Expect: crashed signal 8
import os
import signal

signal.signal(signal.SIGFPE, signal.SIG_DFL)
os.kill(os.getpid(), signal.SIGFPE)
