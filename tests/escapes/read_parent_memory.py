# Attempts: read and write memory of its parent and of process 1 with process_vm calls.
# Expect: completed safe
import ctypes
import json
import os


class Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


libc = ctypes.CDLL(None, use_errno=True)
arm = os.uname().machine == "aarch64"
buffer = ctypes.create_string_buffer(16)
local = Vector(ctypes.addressof(buffer), 16)
remote = Vector(0x400000, 16)
moved = []
for pid in {os.getppid(), 1} - {0}:
    for name, number in (("read", 270 if arm else 310), ("write", 271 if arm else 311)):
        answer = libc.syscall(number, pid, ctypes.byref(local), 1, ctypes.byref(remote), 1, 0)
        # EFAULT would mean that only our guess of the address was wrong.
        if answer >= 0 or ctypes.get_errno() == 14:
            moved.append([name, pid, answer])
print(json.dumps({"escaped": bool(moved), "moved": moved}))
