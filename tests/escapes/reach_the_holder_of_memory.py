# Attempts: see, signal or wait for the second process in its memory, in any way that names it.
# Expect: completed safe
import json
import os
import signal

found = []
me = os.getpid()
for number in range(2, 64):
    if number == me:
        continue
    for name in ("status", "mem", "fd", "ns/pid"):
        if os.path.lexists(f"/proc/{number}/{name}"):
            found.append(f"/proc/{number}/{name}")
    try:
        os.kill(number, signal.SIGKILL)
        found.append(f"kill {number}")
    except OSError:
        pass
    try:
        os.killpg(number, signal.SIGKILL)
        found.append(f"killpg {number}")
    except OSError:
        pass
for options in (0, -(2**31), 2**30):  # The last two are __WCLONE and __WALL, which see it.
    try:
        ended = os.waitpid(-1, options | os.WNOHANG)
        if ended[0]:
            found.append(f"waited for {ended}")
    except OSError:
        pass
print(json.dumps({"escaped": bool(found), "found": found}))
