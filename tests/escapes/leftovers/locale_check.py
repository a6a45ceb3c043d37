# Attempts: find another locale and time zone of an earlier run.
# Expect: completed safe
# Pair: check locale x6
import json
import os
import time

found = os.environ.get("TZ") == "Asia/Tokyo" or time.timezone == -32400

print(json.dumps({"escaped": bool(found)}))
