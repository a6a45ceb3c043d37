# Attempts: import through the module a builtin is bound to, then look at the host with it.
# Expect: completed safe
found = print.__self__.__import__("os")

# A language policy would have to stop the line above. Here only the kernel counts.
host = [path for path in ("/etc/shadow", "/root", "/home", "/sys/kernel") if found and found.path.exists(path)]
print('{"escaped": %s}' % str(not found or bool(host)).lower())
