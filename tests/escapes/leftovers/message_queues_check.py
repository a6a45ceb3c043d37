# Attempts: find System V and POSIX queues and semaphores of an earlier run.
# Expect: completed safe
# Pair: check message_queues x6
import json
import ctypes

library = ctypes.CDLL(None)
found = library.msgget(0x5EED, 0) >= 0 or library.semget(0x5EED, 1, 0) >= 0

print(json.dumps({"escaped": bool(found)}))
