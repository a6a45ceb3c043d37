# Attempts: leave the supervisor a dead child that it does not know and never reaps.
# Expect: completed safe
# Within: 5000
import ctypes
import json
import os
import signal

CLONE_PARENT = 0x8000
libc = ctypes.CDLL(None, use_errno=True)
number = 220 if os.uname().machine == "aarch64" else 56
pid = libc.syscall(number, CLONE_PARENT | signal.SIGCHLD, 0, 0, 0, 0)
if pid == 0:
    os._exit(0)
print(json.dumps({"escaped": pid > 0, "errno": ctypes.get_errno()}))
