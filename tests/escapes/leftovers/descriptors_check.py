# Attempts: find open descriptors up to the last one of an earlier run.
# Expect: completed safe
# Pair: check descriptors x6
import json
import os

found = []
for descriptor in range(4, 1024):
    try:
        os.fstat(descriptor)
        found.append(descriptor)
    except OSError:
        pass

print(json.dumps({"escaped": bool(found)}))
