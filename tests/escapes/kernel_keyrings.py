# Attempts: use the kernel's key store, which no namespace covers.
# Expect: completed safe
import ctypes
import errno
import json
import os

libc = ctypes.CDLL(None, use_errno=True)
arm = os.uname().machine == "aarch64"
reached = []
for name, x86_64, aarch64, arguments in [
    ("add_key", 248, 217, (b"user", b"name", b"value", 5, -4,)),
    ("request_key", 249, 218, (b"user", b"name", None, -4,)),
    ("keyctl", 250, 219, (0, -3, 1,)),
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
