# Attempts: send a packet to an address outside, over TCP and over UDP.
# Expect: completed safe
import json
import socket

reached = []
for kind, host, port in ((socket.SOCK_STREAM, "192.0.2.1", 80), (socket.SOCK_STREAM, "169.254.169.254", 80), (socket.SOCK_DGRAM, "192.0.2.1", 53)):
    try:
        with socket.socket(socket.AF_INET, kind) as client:
            client.settimeout(1)
            client.connect((host, port))
            client.send(b"x")
            reached.append(f"{host}:{port}")
    except OSError:
        pass
print(json.dumps({"escaped": bool(reached), "reached": reached}))
