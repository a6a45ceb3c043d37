# Attempts: find a key in the kernel's key store of an earlier run.
# Expect: completed safe
# Pair: check keyring x10
import json
import ctypes
import os

number = 218 if os.uname().machine == "aarch64" else 249
found = any(ctypes.CDLL(None).syscall(number, b"user", b"planted", None, ring) > 0 for ring in (-3, -4, -5))

print(json.dumps({"escaped": bool(found)}))
