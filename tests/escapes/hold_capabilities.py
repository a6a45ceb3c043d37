# Attempts: find any capability in any of its five sets.
# Expect: completed safe
import json

with open("/proc/self/status") as file:
    status = dict(line.split(":", 1) for line in file)
held = {name: status[name].strip() for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb") if int(status[name], 16)}
print(json.dumps({"escaped": bool(held), "held": held}))
