# Attempts: enter a namespace through a descriptor.
# Expect: completed safe
import ctypes
import errno
import json
import os

libc = ctypes.CDLL(None, use_errno=True)
arm = os.uname().machine == "aarch64"
reached = []
for name, x86_64, aarch64, arguments in [
    ("setns", 308, 268, (-1, 0,)),
]:
    number = aarch64 if arm else x86_64
    if number is None:
        continue
    ctypes.set_errno(0)
    answer = libc.syscall(number, *arguments)
    # Any other error means that the kernel looked at the arguments.
    refused = ctypes.get_errno() in (errno.EPERM, errno.ENOSYS, errno.EACCES)
    if answer >= 0 or not refused:
        reached.append([name, answer, ctypes.get_errno()])
print(json.dumps({"escaped": bool(reached), "reached": reached}))
