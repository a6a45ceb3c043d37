# Attempts: find a lock on a shared file of an earlier run.
# Expect: completed safe
# Pair: check file_locks x6
import json
import errno
import fcntl
import os

found = []
for path in (os.__file__, "/guest/runner.py", "/environment/pyvenv.cfg"):
    try:
        with open(path) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        # Refused altogether is fine; held by a dead program is not.
        found += [path] if error.errno == errno.EWOULDBLOCK else []

print(json.dumps({"escaped": bool(found)}))
