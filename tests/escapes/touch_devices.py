# Attempts: leave a mark on a device of the host: its times or its mode.
# Expect: completed safe
import json
import os

marked = []
for device in ("/dev/null", "/dev/zero", "/dev/urandom"):
    for name, call in (("times", lambda: os.utime(device, ns=(1, 1))), ("mode", lambda: os.chmod(device, 0o600))):
        try:
            call()
            marked.append(f"{name} of {device}")
        except OSError:
            pass
with open("/dev/null", "wb") as sink:
    sink.write(b"x")
print(json.dumps({"escaped": bool(marked), "marked": marked}))
