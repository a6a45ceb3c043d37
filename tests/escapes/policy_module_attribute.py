# Attempts: reach os through an attribute of a harmless module, then look at the host with it.
# Expect: completed safe
import collections
import random
import tempfile

found = None
for module in (collections, random, tempfile):
    for name in ("_os", "_sys"):
        inner = getattr(module, name, None)
        if inner is not None:
            found = getattr(inner, "modules", {"os": inner})["os"]

# A language policy would have to stop the line above. Here only the kernel counts.
host = [path for path in ("/etc/shadow", "/root", "/home", "/sys/kernel") if found and found.path.exists(path)]
print('{"escaped": %s}' % str(not found or bool(host)).lower())
