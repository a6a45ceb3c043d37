# Attempts: find files in every place that can be written of an earlier run.
# Expect: completed safe
# Pair: check files x20
import json
import os

found = [
    os.path.join(root, name)
    for folder in ("/code", "/tmp", "/dev/shm", "/var/tmp", "/run", os.path.expanduser("~"))
    for root, _, names in os.walk(folder)
    for name in names
    if name == "planted.txt"
]

print(json.dumps({"escaped": bool(found)}))
