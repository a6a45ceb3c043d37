# Attempts: find a program that would give it other rights.
# Expect: completed safe
import json
import os
import stat

with open("/proc/self/status") as file:
    status = dict(line.split(":", 1) for line in file)
no_new_privileges = status.get("NoNewPrivs", "0").strip() == "1"
gifted = []
for folder in ("/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/lib", "/python/bin", "/environment/bin"):
    try:
        names = os.listdir(folder)
    except OSError:
        continue
    for name in names:
        path = os.path.join(folder, name)
        try:
            mode = os.lstat(path).st_mode
            if stat.S_ISREG(mode) and mode & 0o6000 or "security.capability" in os.listxattr(path):
                gifted.append(path)
        except OSError:
            pass
print(json.dumps({"escaped": not no_new_privileges, "gifted": gifted[:6]}))
