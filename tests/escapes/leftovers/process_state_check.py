# Attempts: find changed process state of an earlier run.
# Expect: completed safe
# Pair: check process_state x20
import json
import os
import signal
import sys
import warnings

mask = os.umask(0o77)
os.umask(mask)
found = [
    name
    for name, changed in {
        "environment": "PLANTED" in os.environ,
        "folder": os.getcwd() != "/code",
        "mask": mask == 0,
        "signal": signal.getsignal(signal.SIGTERM) == signal.SIG_IGN,
        "recursion": sys.getrecursionlimit() == 777,
        "warnings": any("planted" in str(rule) for rule in warnings.filters),
        "nice": os.nice(0) == 19,
    }.items()
    if changed
]

print(json.dumps({"escaped": bool(found)}))
