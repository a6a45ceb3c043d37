# Attempts: become user 0 or join other groups.
# Expect: completed safe
import json
import os

gained = []
for name, call in (
    ("user", lambda: os.setresuid(0, 0, 0)),
    ("group", lambda: os.setresgid(0, 0, 0)),
    ("groups", lambda: os.setgroups([0, 27, 998])),
):
    try:
        call()
        gained.append(name)
    except OSError:
        pass
with open("/proc/self/uid_map") as file:
    mapping = file.read().split()
host_root = len(mapping) >= 2 and mapping[1] == "0"
print(json.dumps({"escaped": bool(gained) or host_root or os.getuid() == 0, "gained": gained, "map": mapping}))
