# Attempts: find a daemon that ignores every signal of an earlier run.
# Expect: completed safe
# Pair: check daemon x10
import json
import os

found = []
for name in os.listdir("/proc"):
    if name.isdigit():
        try:
            with open(f"/proc/{name}/comm") as file:
                found += [name] if file.read().strip() == "planted" else []
        except OSError:
            pass

print(json.dumps({"escaped": bool(found)}))
