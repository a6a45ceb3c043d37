# Attempts: spell a forbidden name with full-width letters, then look at the host with it.
# Expect: completed safe
found = __ｉｍｐｏｒｔ__("os")

# A language policy would have to stop the line above. Here only the kernel counts.
host = [path for path in ("/etc/shadow", "/root", "/home", "/sys/kernel") if found and found.path.exists(path)]
print('{"escaped": %s}' % str(not found or bool(host)).lower())
