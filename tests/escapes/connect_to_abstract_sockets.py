# Attempts: see or reach an abstract unix socket of another process.
# Expect: completed safe
import json
import socket

names = ["hognose", "neighbour", "/tmp/dbus-session", "/containerd-shim/x"]
try:
    with open("/proc/net/unix") as file:
        names += [line.split()[7][1:] for line in file if len(line.split()) > 7 and line.split()[7].startswith("@")]
except OSError:
    pass
reached = []
for name in names:
    for kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET, socket.SOCK_DGRAM):
        try:
            with socket.socket(socket.AF_UNIX, kind) as client:
                client.settimeout(0.3)
                client.connect("\0" + name)
                reached.append(name)
        except OSError:
            pass
print(json.dumps({"escaped": bool(reached), "reached": reached, "seen": names[4:]}))
