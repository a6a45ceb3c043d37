# Attempts: find changed numpy state of an earlier run.
# Expect: completed safe
# Pair: check numpy_state x10
import json
import numpy

found = hasattr(numpy, "planted") or numpy.pi == 3 or numpy.get_printoptions()["precision"] == 1 or numpy.geterr()["over"] == "raise" or numpy.random.rand() == 0.417022004702574

print(json.dumps({"escaped": bool(found)}))
