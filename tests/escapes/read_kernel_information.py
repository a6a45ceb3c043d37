# Attempts: read kernel addresses, kernel memory, its log, its keys and its timers.
# Expect: completed safe
import json
import os

found = []
try:
    with open("/proc/kallsyms") as file:
        address = file.readline().split()[:1]
        if address and int(address[0], 16):
            found.append("addresses in kallsyms")
except (OSError, ValueError):
    pass
for path in (
    "/proc/kcore", "/dev/kmsg", "/proc/kmsg", "/dev/mem", "/proc/timer_list", "/proc/sched_debug", "/proc/keys",
    "/proc/config.gz", "/proc/iomem", "/sys/kernel/debug/sched", "/sys/firmware/acpi/tables/DSDT",
):
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        continue
    try:
        if os.read(descriptor, 16):
            found.append(path)
    except OSError:
        pass
    os.close(descriptor)
print(json.dumps({"escaped": bool(found), "found": found}))
