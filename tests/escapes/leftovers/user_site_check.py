# Attempts: find start-up files for the next interpreter of an earlier run.
# Expect: completed safe
# Pair: check user_site x6
import json
import builtins
import os

found = hasattr(builtins, "planted") or os.path.exists("/code/sitecustomize.py")

print(json.dumps({"escaped": bool(found)}))
