# Attempts: open sockets of families that no namespace covers or that carry kernel attack surface.
# Expect: completed safe
import json
import socket

families = {"inet6 raw": (10, 3), "packet": (17, 3), "key": (15, 3), "alg": (38, 5), "vsock": (40, 1), "xdp": (44, 3), "bluetooth": (31, 3), "can": (29, 3), "tipc": (30, 1), "rds": (21, 5)}
opened = []
for name, (family, kind) in families.items():
    try:
        socket.socket(family, kind, 0).close()
        opened.append(name)
    except OSError:
        pass
print(json.dumps({"escaped": bool(opened), "opened": opened}))
