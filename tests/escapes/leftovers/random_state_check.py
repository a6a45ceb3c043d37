# Attempts: find a fixed state of the random module of an earlier run.
# Expect: completed safe
# Pair: check random_state x6
import json
import random

found = random.random() in (0.5, 0.13436424411240122) or random.random() == 0.5

print(json.dumps({"escaped": bool(found)}))
