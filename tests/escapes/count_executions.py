# Attempts: count executions in one interpreter.
# Expect: completed safe
# Repeat: 50
import builtins
import json

builtins.visits = getattr(builtins, "visits", 0) + 1
json.visits = getattr(json, "visits", 0) + 1
print(json.dumps({"escaped": max(builtins.visits, json.visits) > 1}))
