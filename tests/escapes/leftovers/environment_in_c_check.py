# Attempts: find variables set behind Python's back of an earlier run.
# Expect: completed safe
# Pair: check environment_in_c x6
import json
import ctypes

library = ctypes.CDLL(None)
library.getenv.restype = ctypes.c_char_p
found = library.getenv(b"PLANTED") or library.getenv(b"LD_PRELOAD")

print(json.dumps({"escaped": bool(found)}))
