# Attempts: nothing hostile: a signal that is ignored.
# Expect: completed prints alive
import os
import signal

signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.kill(os.getpid(), signal.SIGTERM)
print('alive')
