# Attempts: find compiled modules beside the shared ones of an earlier run.
# Expect: completed safe
# Pair: check bytecode x6
import json
import os

found = any(os.path.exists(path) for path in (os.path.dirname(os.__file__) + "/__pycache__/planted.pyc", "/guest/__pycache__/planted.pyc", "/tmp/planted.pyc"))

print(json.dumps({"escaped": bool(found)}))
