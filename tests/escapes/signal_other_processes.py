# Attempts: signal every process but itself, process 1 by name included.
# Expect: completed safe
import json
import os

reached = []
for target in [1, *range(2, 200), 4_194_303]:
    if target == os.getpid():
        continue
    try:
        os.kill(target, 0)
        reached.append(target)
    except OSError:
        pass
print(json.dumps({"escaped": bool(set(reached) - {1}), "reached": reached}))
