# Attempts: the classic way out: chroot below an open folder, then climb with `..`.
# Expect: completed safe
import json
import os

os.makedirs("/tmp/below", exist_ok=True)
before = sorted(os.listdir("/"))
outside = os.open("/", os.O_RDONLY)
escaped, reason = False, None
try:
    os.chroot("/tmp/below")
    os.fchdir(outside)
    for _ in range(64):
        os.chdir("..")
    os.chroot(".")
    escaped, reason = True, sorted(os.listdir("/")) != before
except OSError as error:
    reason = error.errno
print(json.dumps({"escaped": escaped, "reason": reason}))
