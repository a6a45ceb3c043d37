# Attempts: find itself in its parent's session or process group, or on a terminal.
# Expect: completed safe
import json
import os

shared = []
try:
    parent = os.getppid()
    if parent and os.getpgid(parent) == os.getpgid(0):
        shared.append("group")
    if parent and os.getsid(parent) == os.getsid(0):
        shared.append("session")
except OSError:
    pass
try:
    os.close(os.open("/dev/tty", os.O_RDWR))
    shared.append("terminal")
except OSError:
    pass
print(json.dumps({"escaped": bool(shared), "shared": shared}))
