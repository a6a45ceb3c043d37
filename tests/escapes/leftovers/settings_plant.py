# Attempts: leave changed process settings of the kernel behind.
# Expect: completed
# Pair: plant settings
import ctypes
import os

ctypes.CDLL(None).prctl(15, b"planted", 0, 0, 0)
for path, value in (("/proc/self/oom_score_adj", "999"), ("/proc/self/coredump_filter", "0"), ("/proc/self/timerslack_ns", "77")):
    try:
        with open(path, "w") as file:
            file.write(value)
    except OSError:
        pass
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}) if hasattr(os, "sched_setaffinity") else None
