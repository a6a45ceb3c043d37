# Attempts: blame a limit of ours by sending itself the signal of that limit.
# Expect: crashed signal 24
import os
import signal

signal.signal(signal.SIGXCPU, signal.SIG_DFL)
os.kill(os.getpid(), signal.SIGXCPU)
