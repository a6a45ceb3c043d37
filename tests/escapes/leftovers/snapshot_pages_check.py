# Attempts: find code of the interpreter that an earlier run has rewritten.
# Expect: completed safe
# Pair: check snapshot_pages x10
import ctypes
import json
import sys

ctypes.pythonapi.Py_GetVersion.restype = ctypes.c_char_p
found = ctypes.pythonapi.Py_GetVersion() != sys.version.encode()
print(json.dumps({"escaped": found}))
