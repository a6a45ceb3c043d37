# Attempts: resolve a name, or reach a name service through its socket.
# Expect: completed safe
import json
import os
import socket

socket.setdefaulttimeout(2)
resolved = []
for host in ("example.com", "metadata.google.internal"):
    try:
        resolved.append(socket.getaddrinfo(host, 80)[0][4][0])
    except OSError:
        pass
resolved += [path for path in ("/var/run/nscd/socket", "/run/systemd/resolve/io.systemd.Resolve") if os.path.exists(path)]
print(json.dumps({"escaped": bool(resolved), "resolved": resolved}))
