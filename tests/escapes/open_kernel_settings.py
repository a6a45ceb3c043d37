# Attempts: open kernel settings that lead out of a sandbox for writing; nothing is written.
# Expect: completed safe
import glob
import json
import os

settings = [
    "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sysrq-trigger",
    "/proc/sys/vm/panic_on_oom", "/proc/sys/kernel/hostname", "/proc/sys/fs/binfmt_misc/register",
    "/proc/sys/net/ipv4/ip_forward", "/proc/sys/user/max_user_namespaces", "/sys/kernel/uevent_helper",
    "/sys/kernel/mm/transparent_hugepage/enabled", *glob.glob("/sys/fs/cgroup/**/release_agent", recursive=True),
]
opened = []
for path in settings:
    try:
        os.close(os.open(path, os.O_WRONLY))
        opened.append(path)
    except OSError:
        pass
print(json.dumps({"escaped": bool(opened), "opened": opened}))
