# Attempts: nothing hostile: SIGHUP to itself.
# Expect: crashed signal 1
import os
import signal

signal.signal(signal.SIGHUP, signal.SIG_DFL)
os.kill(os.getpid(), signal.SIGHUP)
