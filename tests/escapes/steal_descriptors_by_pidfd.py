# Attempts: copy descriptors out of its parent or process 1 with pidfd_getfd.
# Expect: completed safe
import ctypes
import json
import os

libc = ctypes.CDLL(None, use_errno=True)
stolen = []
for pid in {os.getppid(), 1} - {0}:
    handle = libc.syscall(434, pid, 0)
    for descriptor in range(32) if handle >= 0 else ():
        if libc.syscall(438, handle, descriptor, 0) >= 0:
            stolen.append([pid, descriptor])
print(json.dumps({"escaped": bool(stolen), "stolen": stolen}))
