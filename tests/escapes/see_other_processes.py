# Attempts: see processes other than itself and the init of its own namespace.
# Expect: completed safe
import json
import os

others = [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]
print(json.dumps({"escaped": len(others) > 1 or os.getpid() == 1, "others": others}))
