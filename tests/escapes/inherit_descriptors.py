# Attempts: find a descriptor other than its standard streams and one write-only pipe.
# Expect: completed safe
import fcntl
import json
import os
import stat

foreign, pipes = [], 0
for descriptor in range(4096):
    try:
        mode = os.fstat(descriptor).st_mode
        access = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE
    except OSError:
        continue
    if descriptor <= 2:
        if stat.S_ISSOCK(mode):
            foreign.append(f"{descriptor} is a socket")
    elif stat.S_ISFIFO(mode) and access == os.O_WRONLY and pipes == 0:
        pipes += 1
    else:
        foreign.append(f"{descriptor}: {stat.filemode(mode)}")
print(json.dumps({"escaped": bool(foreign), "foreign": foreign}))
