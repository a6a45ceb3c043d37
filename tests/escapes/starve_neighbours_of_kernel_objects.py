# Attempts: use up inotify instances that the kernel counts per user.
# Expect: completed safe
import ctypes
import json

libc = ctypes.CDLL(None, use_errno=True)
count = 0
while count < 2000 and libc.inotify_init1(0) >= 0:
    count += 1
print(json.dumps({"escaped": count > 512, "instances": count}))
