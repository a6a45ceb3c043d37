# Attempts: nothing hostile: SIGSYS to itself.
# Expect: crashed signal 31
import os
import signal

signal.signal(signal.SIGSYS, signal.SIG_DFL)
os.kill(os.getpid(), signal.SIGSYS)
