# Attempts: find os through the subclasses of object, then look at the host with it.
# Expect: completed safe
found = None
for kind in ().__class__.__base__.__subclasses__():
    if kind.__name__ == "_wrap_close":
        found = kind.__init__.__globals__["sys"].modules["os"]

# A language policy would have to stop the line above. Here only the kernel counts.
host = [path for path in ("/etc/shadow", "/root", "/home", "/sys/kernel") if found and found.path.exists(path)]
print('{"escaped": %s}' % str(not found or bool(host)).lower())
