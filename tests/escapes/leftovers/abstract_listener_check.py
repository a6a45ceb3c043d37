# Attempts: find a daemon that listens on an abstract socket of an earlier run.
# Expect: completed safe
# Pair: check abstract_listener x20
import json
import socket

found = False
try:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect("\0planted")
        found = client.recv(2) == b"hi"
except OSError:
    pass

print(json.dumps({"escaped": bool(found)}))
