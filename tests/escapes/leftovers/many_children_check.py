# Attempts: find more children than can be killed one by one of an earlier run.
# Expect: completed safe
# Pair: check many_children x6
import json
import os

found = [name for name in os.listdir("/proc") if name.isdigit() and int(name) not in (1, os.getpid())]

print(json.dumps({"escaped": bool(found)}))
