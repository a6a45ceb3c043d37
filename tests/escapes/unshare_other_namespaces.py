# Attempts: leave its mount, pid, network, ipc, uts or cgroup namespace.
# Expect: completed safe
import ctypes
import errno
import json
import os

libc = ctypes.CDLL(None, use_errno=True)
arm = os.uname().machine == "aarch64"
reached = []
for name, x86_64, aarch64, arguments in [
    ("unshare mount", 272, 97, (0x00020000,)),
    ("unshare pid", 272, 97, (0x20000000,)),
    ("unshare network", 272, 97, (0x40000000,)),
    ("unshare ipc", 272, 97, (0x08000000,)),
    ("unshare uts", 272, 97, (0x04000000,)),
    ("unshare cgroup", 272, 97, (0x02000000,)),
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
