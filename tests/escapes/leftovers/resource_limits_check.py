# Attempts: find lowered resource limits of an earlier run.
# Expect: completed safe
# Pair: check resource_limits x6
import json
import resource

found = [name for name in ("NOFILE", "FSIZE") if resource.getrlimit(getattr(resource, f"RLIMIT_{name}"))[1] == 64]

print(json.dumps({"escaped": bool(found)}))
