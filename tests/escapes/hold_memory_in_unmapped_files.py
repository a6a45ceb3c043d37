# Attempts: hold memory that no process maps: anonymous files that are only written.
# Expect: limit_exceeded memory | completed safe
# Limits: memory_bytes=134217728
import json
import os

chunk = b"x" * (8 << 20)
held = 0
try:
    descriptors = []
    for _ in range(12):
        descriptors.append(os.memfd_create("hold"))
        for _ in range(4):
            held += os.write(descriptors[-1], chunk)
except OSError:
    pass
print(json.dumps({"escaped": held > 160 << 20, "held": held}))
