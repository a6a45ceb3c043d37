# Attempts: read environment, memory map, folders or descriptors of any other process.
# Expect: completed safe
import json
import os

found = []
for pid in [name for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]:
    for name in ("environ", "maps", "auxv", "mem"):
        try:
            with open(f"/proc/{pid}/{name}", "rb") as file:
                if name == "mem" or file.read(4096):
                    found.append(f"{pid}/{name}")
        except OSError:
            pass
    for name in ("cwd", "root", "exe"):
        try:
            found.append(f"{pid}/{name} -> {os.readlink(f'/proc/{pid}/{name}')}")
        except OSError:
            pass
    try:
        found.append(f"{pid}/fd: {os.listdir(f'/proc/{pid}/fd')}")
    except OSError:
        pass
print(json.dumps({"escaped": bool(found), "found": found[:20]}))
