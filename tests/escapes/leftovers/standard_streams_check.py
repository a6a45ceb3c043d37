# Attempts: find standard streams set to another mode of an earlier run.
# Expect: completed safe
# Pair: check standard_streams x6
import json
import os
import sys

found = not os.get_blocking(1) or not os.get_blocking(2) or sys.stdout.encoding.lower() != "utf-8"

print(json.dumps({"escaped": bool(found)}))
