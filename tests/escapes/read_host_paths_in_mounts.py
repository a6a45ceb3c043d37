# Attempts: learn host paths, user names or container layers from its mount table.
# Expect: completed safe
import json

# Our own overlays name their layers by descriptor; any other layer is a path of the host.
own = "lowerdir=/proc/self/fd/"
marks = ("upperdir=", "lowerdir=", "workdir=", "/var/lib/docker", "/home/", "/root/", "/.pyenv", "/.cache/", "/.local/")
leaks = []
for name in ("mountinfo", "mounts", "mountstats"):
    try:
        with open(f"/proc/self/{name}") as file:
            leaks += [line.strip()[:160] for line in file if any(mark in line.replace(own, "") for mark in marks)]
    except OSError:
        pass
print(json.dumps({"escaped": bool(leaks), "leaks": leaks[:5]}))
