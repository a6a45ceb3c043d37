# Attempts: reboot, swap, account, set the clock or the host name (harmless arguments).
# Expect: completed safe
import ctypes
import errno
import json
import os

libc = ctypes.CDLL(None, use_errno=True)
arm = os.uname().machine == "aarch64"
reached = []
for name, x86_64, aarch64, arguments in [
    ("reboot", 169, 142, (0xDEAD, 0xBEEF, 0, None,)),
    ("swapon", 167, 224, (None, 0,)),
    ("swapoff", 168, 225, (None,)),
    ("acct", 163, 89, (b"/nowhere/file",)),
    ("settimeofday", 164, 170, (None, None,)),
    ("sethostname", 170, 161, (None, 4,)),
    ("setdomainname", 171, 162, (None, 4,)),
    ("quotactl", 179, 60, (0, None, 0, None,)),
    ("syslog", 103, 116, (10, None, 0,)),
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
