# Attempts: find files under hidden and temporary names of an earlier run.
# Expect: completed safe
# Pair: check hidden_names x6
import json
import os

found = [name for folder in ("/code", "/tmp", "/dev/shm") for name in os.listdir(folder) if name in (".planted", ".folder") or name.startswith("planted-")]

print(json.dumps({"escaped": bool(found)}))
