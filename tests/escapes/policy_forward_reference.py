# Attempts: evaluate code hidden in an annotation, then look at the host with it.
# Expect: completed safe
import typing

seen = []


def annotated(x: "seen.append(__import__('os')) or int"): ...


typing.get_type_hints(annotated)
found = seen[0]

# A language policy would have to stop the line above. Here only the kernel counts.
host = [path for path in ("/etc/shadow", "/root", "/home", "/sys/kernel") if found and found.path.exists(path)]
print('{"escaped": %s}' % str(not found or bool(host)).lower())
