# Attempts: make a child in new namespaces with clone3, whose flags no filter can read.
# Expect: completed safe
import ctypes
import errno
import json
import os

libc = ctypes.CDLL(None, use_errno=True)
arguments = (ctypes.c_uint64 * 11)()
arguments[0] = 0x10000000 | 0x00020000  # a new user and a new mount namespace
arguments[4] = 17  # SIGCHLD
answer = libc.syscall(435, ctypes.byref(arguments), ctypes.sizeof(arguments))
if answer == 0:
    os._exit(0)
# ENOSYS and nothing else: with EPERM the C library would not fall back to clone.
print(json.dumps({"escaped": answer > 0 or ctypes.get_errno() != errno.ENOSYS, "errno": ctypes.get_errno()}))
