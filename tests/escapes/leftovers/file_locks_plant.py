# Attempts: leave a lock on a shared file behind.
# Expect: completed
# Pair: plant file_locks
import fcntl
import os

held = []
for path in (os.__file__, "/guest/runner.py", "/environment/pyvenv.cfg"):
    try:
        file = open(path)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        held.append(file)
    except OSError:
        pass
if os.fork() == 0:
    import time

    time.sleep(60)
