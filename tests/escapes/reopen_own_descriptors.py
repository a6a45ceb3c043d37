# Attempts: reopen its report pipe or its output pipes for reading through /proc/self/fd.
# Expect: completed safe
import json
import os

# Reading them would let one process steal what another wrote for the supervisor: that harms only
# itself, but the report pipe carries a nonce that nobody in here may learn.
stolen = []
try:
    descriptor = os.open("/proc/self/fd/3", os.O_RDONLY | os.O_NONBLOCK)
    try:
        stolen = list(os.read(descriptor, 64))
    except OSError:
        pass
except OSError:
    pass
print(json.dumps({"escaped": bool(stolen), "stolen": stolen[:8]}))
