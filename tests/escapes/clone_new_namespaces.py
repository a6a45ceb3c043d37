# Attempts: make a child in new namespaces with the older clone.
# Expect: completed safe
import ctypes
import json
import os

libc = ctypes.CDLL(None, use_errno=True)
number = 220 if os.uname().machine == "aarch64" else 56
made = []
for flag in (0x10000000, 0x00020000, 0x20000000, 0x40000000, 0x08000000, 0x04000000, 0x02000000):
    answer = libc.syscall(number, ctypes.c_long(flag | 17), None, None, None, None)
    if answer == 0:
        os._exit(0)
    made += [hex(flag)] if answer > 0 else []
print(json.dumps({"escaped": bool(made), "made": made}))
