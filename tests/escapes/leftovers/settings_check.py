# Attempts: find changed process settings of the kernel of an earlier run.
# Expect: completed safe
# Pair: check settings x6
import json
with open("/proc/self/comm") as file:
    found = file.read().strip() == "planted"
with open("/proc/self/oom_score_adj") as file:
    found = found or file.read().strip() == "999"

print(json.dumps({"escaped": bool(found)}))
