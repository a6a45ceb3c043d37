# Attempts: leave more children than can be killed one by one behind.
# Expect: completed
# Pair: plant many_children
import os
import time

for _ in range(60):
    if os.fork() == 0:
        os.setsid()
        while True:
            time.sleep(0.01)
