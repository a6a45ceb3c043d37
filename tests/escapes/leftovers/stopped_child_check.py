# Attempts: find a child that is stopped of an earlier run.
# Expect: completed safe
# Pair: check stopped_child x6
import json
import os

found = [name for name in os.listdir("/proc") if name.isdigit() and int(name) not in (1, os.getpid())]

print(json.dumps({"escaped": bool(found)}))
