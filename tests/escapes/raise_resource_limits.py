# Attempts: find an infinite resource limit, or raise one.
# Expect: completed safe
import json
import resource

bad = []
limits = {name: resource.getrlimit(getattr(resource, f"RLIMIT_{name}")) for name in ("CORE", "NOFILE", "NPROC", "FSIZE")}
if limits["CORE"][1] != 0:
    bad.append("core files")
for name, most in (("NOFILE", 65536), ("NPROC", 4096), ("FSIZE", 1 << 36)):
    if limits[name][1] == resource.RLIM_INFINITY or limits[name][1] > most:
        bad.append(f"{name} is {limits[name][1]}")
for name, (soft, hard) in limits.items():
    if hard != resource.RLIM_INFINITY:
        try:
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (soft, hard + 1024))
            bad.append(f"{name} was raised")
        except (OSError, ValueError):
            pass
print(json.dumps({"escaped": bool(bad), "bad": bad, "limits": limits}))
