# Attempts: leave lowered resource limits behind.
# Expect: completed
# Pair: plant resource_limits
import resource

for name in ("NOFILE", "FSIZE"):
    kind = getattr(resource, f"RLIMIT_{name}")
    resource.setrlimit(kind, (64, 64))
