# Attempts: learn host paths, user names or container layers from its mount table.
# Expect: completed safe
import json

marks = ("upperdir=", "lowerdir=", "workdir=", "/var/lib/docker", "/home/", "/root/", "/.pyenv", "/.cache/", "/.local/")
leaks = []
for name in ("mountinfo", "mounts", "mountstats"):
    try:
        with open(f"/proc/self/{name}") as file:
            leaks += [line.strip()[:160] for line in file if any(mark in line for mark in marks)]
    except OSError:
        pass
print(json.dumps({"escaped": bool(leaks), "leaks": leaks[:5]}))
