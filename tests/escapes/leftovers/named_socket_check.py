# Attempts: find a daemon that listens on a socket in a folder of an earlier run.
# Expect: completed safe
# Pair: check named_socket x6
import json
import os

found = os.path.exists("/dev/shm/planted.sock")

print(json.dumps({"escaped": bool(found)}))
