# Attempts: find bytes written into the code of a shared library of an earlier run.
# Expect: completed safe
# Pair: check mapped_libraries x10
import json
import ctypes

found = ctypes.CDLL(None).getppid() == 42

print(json.dumps({"escaped": bool(found)}))
