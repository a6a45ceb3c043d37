# Attempts: read a function's globals with a format string, then look at the host with it.
# Expect: completed safe
def anchor(): ...


text = "{0.__globals__}".format(anchor)
found = anchor.__globals__["__builtins__"] if "__builtins__" in text else None
found = (found if isinstance(found, dict) else vars(found))["__import__"]("os")

# A language policy would have to stop the line above. Here only the kernel counts.
host = [path for path in ("/etc/shadow", "/root", "/home", "/sys/kernel") if found and found.path.exists(path)]
print('{"escaped": %s}' % str(not found or bool(host)).lower())
