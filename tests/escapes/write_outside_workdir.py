# Attempts: create a file anywhere but in its own workdir, /tmp and /dev/shm.
# Expect: completed safe
import json
import os
import sys

own = {os.path.realpath(path) for path in ("/code", "/tmp", "/dev/shm")}
places = [
    "/", "/etc", "/usr", "/usr/lib", "/usr/local", "/opt", "/var", "/var/tmp", "/run", "/srv", "/root", "/home",
    "/bin", "/lib", "/lib64", "/boot", "/mnt", "/media", "/sys", "/proc", "/dev", "/python", "/environment", "/guest",
    sys.prefix, sys.exec_prefix, os.path.dirname(os.__file__), *filter(None, sys.path),
]
written = []
for place in dict.fromkeys(os.path.realpath(place) for place in places):
    if any(place == mine or place.startswith(mine + "/") for mine in own):
        continue
    name = os.path.join(place, f".written-{os.getpid()}")
    try:
        os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        os.unlink(name)
        written.append(place)
    except OSError:
        pass
print(json.dumps({"escaped": bool(written), "written": written}))
