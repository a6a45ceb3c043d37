# Attempts: talk to the hypervisor or to a neighbour over AF_VSOCK, which is not namespaced.
# Expect: completed safe
import json
import socket

reached = []
try:
    with socket.socket(40, socket.SOCK_STREAM) as client:
        reached.append("socket")
        client.settimeout(1)
        for cid, port in ((2, 22), (2, 1024), (1, 1024)):
            if client.connect_ex((cid, port)) == 0:
                reached.append(f"{cid}:{port}")
except OSError:
    pass
print(json.dumps({"escaped": bool(reached), "reached": reached}))
