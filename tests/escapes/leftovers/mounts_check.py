# Attempts: find a mount over /tmp of an earlier run.
# Expect: completed safe
# Pair: check mounts x6
import json
with open("/proc/self/mounts") as file:
    found = [line for line in file if "size=12345k" in line or "planted" in line]

print(json.dumps({"escaped": bool(found)}))
