# Attempts: open an io_uring, whose requests no syscall filter sees.
# Expect: completed safe
import ctypes
import errno
import json
import os

libc = ctypes.CDLL(None, use_errno=True)
arm = os.uname().machine == "aarch64"
reached = []
for name, x86_64, aarch64, arguments in [
    ("io_uring_setup", 425, 425, (1, None,)),
    ("io_uring_enter", 426, 426, (-1, 0, 0, 0, None,)),
    ("io_uring_register", 427, 427, (-1, 0, None, 0,)),
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
