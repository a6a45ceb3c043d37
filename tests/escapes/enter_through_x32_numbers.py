# Attempts: call the kernel with x32 numbers, which a careless filter does not know.
# Expect: crashed signal 31 | completed safe
import ctypes
import json
import os

answer = -1
if os.uname().machine == "x86_64":
    answer = ctypes.CDLL(None, use_errno=True).syscall(0x40000000 | 39)
print(json.dumps({"escaped": answer > 0}))
