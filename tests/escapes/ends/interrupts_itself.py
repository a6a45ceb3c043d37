# Attempts: nothing hostile: SIGINT to itself.
# Expect: raised KeyboardInterrupt | crashed signal 2
import os
import signal
import time

os.kill(os.getpid(), signal.SIGINT)
time.sleep(1)
