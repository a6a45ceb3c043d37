# Attempts: find another host name of an earlier run.
# Expect: completed safe
# Pair: check host_name x6
import json
import socket

found = socket.gethostname() == "planted"

print(json.dumps({"escaped": bool(found)}))
