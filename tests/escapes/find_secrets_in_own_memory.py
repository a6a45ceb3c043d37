# Attempts: find a key or another tenant's bytes in memory that was inherited over fork.
# Expect: completed safe
import json
import re

# The brackets keep the needle from finding itself.
needle = re.compile(b"HOGNOSE_API[_]KEY=|zzCANAR[Y][0-9a-f]{16}|Authorizatio[n]: Bearer [A-Za-z0-9_-]{20,}")
found = []
with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", buffering=0) as memory:
    for line in maps:
        addresses, rights = line.split()[:2]
        start, end = (int(part, 16) for part in addresses.split("-"))
        if rights.startswith("rw") and end - start < 1 << 28:
            try:
                memory.seek(start)
                found += [match.group()[:12].decode("latin-1") for match in needle.finditer(memory.read(end - start))]
            except (OSError, OverflowError, ValueError):
                pass
print(json.dumps({"escaped": bool(found), "found": found[:5]}))
