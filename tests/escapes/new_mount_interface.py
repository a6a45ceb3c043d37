# Attempts: build a mount with the newer mount calls.
# Expect: completed safe
import ctypes
import errno
import json
import os

libc = ctypes.CDLL(None, use_errno=True)
arm = os.uname().machine == "aarch64"
reached = []
for name, x86_64, aarch64, arguments in [
    ("open_tree", 428, 428, (-100, b"/", 1,)),
    ("move_mount", 429, 429, (-1, b"", -1, b"", 0,)),
    ("fsopen", 430, 430, (b"tmpfs", 0,)),
    ("fsmount", 432, 432, (-1, 0, 0,)),
    ("fspick", 433, 433, (-100, b"/", 0,)),
    ("mount_setattr", 442, 442, (-100, b"/", 0, None, 0,)),
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
