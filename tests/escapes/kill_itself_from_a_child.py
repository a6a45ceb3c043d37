# Attempts: look like a kill from outside by having a child send the SIGKILL.
# Expect: crashed signal 9
import os
import signal
import time

if os.fork() == 0:
    os.kill(os.getppid(), signal.SIGKILL)
    os._exit(0)
time.sleep(20)
