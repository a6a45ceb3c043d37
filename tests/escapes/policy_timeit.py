# Attempts: evaluate code through a library's helper, then look at the host with it.
# Expect: completed safe
import timeit

seen = []
timeit.timeit("seen.append(__import__('os'))", globals={"seen": seen, "__builtins__": __builtins__}, number=1)
found = seen[0]

# A language policy would have to stop the line above. Here only the kernel counts.
host = [path for path in ("/etc/shadow", "/root", "/home", "/sys/kernel") if found and found.path.exists(path)]
print('{"escaped": %s}' % str(not found or bool(host)).lower())
