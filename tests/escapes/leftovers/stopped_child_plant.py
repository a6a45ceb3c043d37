# Attempts: leave a child that is stopped behind.
# Expect: completed
# Pair: plant stopped_child
import os
import signal
import time

child = os.fork()
if child == 0:
    while True:
        time.sleep(1)
os.kill(child, signal.SIGSTOP)
