# Attempts: see sockets, neighbours or routes of the host in /proc/net.
# Expect: completed safe
import json

seen = []
for name in ("tcp", "tcp6", "udp", "udp6", "raw", "packet", "arp", "route", "unix"):
    try:
        with open(f"/proc/net/{name}") as file:
            rows = len(file.readlines()) - 1
    except OSError:
        continue
    # Its own standard streams may be unix sockets on some backends.
    if rows > (3 if name == "unix" else 0):
        seen.append(f"{name}: {rows}")
print(json.dumps({"escaped": bool(seen), "seen": seen}))
