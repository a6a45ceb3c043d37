# Attempts: have the kernel send SIGKILL to itself later, by calls that name the signal beforehand.
# Expect: completed safe
import ctypes
import fcntl
import json
import os
import socket
import time

libc = ctypes.CDLL(None, use_errno=True)
arm = os.uname().machine == "aarch64"
reached = []
SIGKILL = 9
F_SETSIG = 10


class SignalEvent(ctypes.Structure):
    _fields_ = [
        ("value", ctypes.c_void_p),
        ("signal", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("rest", ctypes.c_char * 48),
    ]


# At the end of a child.
pid = libc.syscall(220 if arm else 56, SIGKILL, 0, 0, 0, 0)
if pid == 0:
    os._exit(0)
if pid > 0:
    reached.append("clone")
# When a descriptor becomes readable.
ours, theirs = socket.socketpair()
try:
    fcntl.fcntl(ours, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(ours, F_SETSIG, SIGKILL)
    reached.append("fcntl")
    fcntl.fcntl(ours, fcntl.F_SETFL, os.O_ASYNC)
    theirs.send(b"x")
except PermissionError:
    pass
# When a timer runs out.
timer = ctypes.c_int()
event = SignalEvent(None, SIGKILL, 0, b"")
if libc.syscall(107 if arm else 222, 0, ctypes.byref(event), ctypes.byref(timer)) == 0:
    reached.append("timer_create")
    soon = (ctypes.c_long * 4)(0, 0, 0, 1_000_000)
    libc.syscall(110 if arm else 223, timer, 0, soon, None)
time.sleep(0.2)
print(json.dumps({"escaped": bool(reached), "reached": reached}))
