# Attempts: import through the loader object of a harmless module, then look at the host with it.
# Expect: completed safe
import json

found = json.__loader__.get_data.__globals__["sys"].modules["os"]

# A language policy would have to stop the line above. Here only the kernel counts.
host = [path for path in ("/etc/shadow", "/root", "/home", "/sys/kernel") if found and found.path.exists(path)]
print('{"escaped": %s}' % str(not found or bool(host)).lower())
