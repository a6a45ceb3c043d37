# Attempts: raise its priority, become a real-time process or escape the OOM killer.
# Expect: completed safe
import ctypes
import json
import os

gained = []
for name, call in (
    ("nice", lambda: os.setpriority(os.PRIO_PROCESS, 0, -10)),
    ("fifo", lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))),
    ("round robin", lambda: os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))),
):
    try:
        call()
        gained.append(name)
    except OSError:
        pass
try:
    with open("/proc/self/oom_score_adj", "r+") as file:
        now = int(file.read())
        file.seek(0)
        file.write(str(max(-1000, now - 500)))
        file.flush()
    gained.append("oom score")
except (OSError, ValueError):
    pass
number = 30 if os.uname().machine == "aarch64" else 251
if ctypes.CDLL(None).syscall(number, 1, 0, 1 << 13) == 0:
    gained.append("real-time input and output")
print(json.dumps({"escaped": bool(gained), "gained": gained}))
