# Attempts: find hooks in the interpreter of an earlier run.
# Expect: completed safe
# Pair: check trace_and_hooks x6
import json
import gc
import sys

found = sys.gettrace() or sys.getprofile() or sys.excepthook is not sys.__excepthook__ or not gc.isenabled()

print(json.dumps({"escaped": bool(found)}))
