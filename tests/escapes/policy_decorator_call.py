# Attempts: run code through a decorator, with no call in the syntax tree, then look at the host with it.
# Expect: completed safe
def run(_):
    return eval(compile("__import__('os')", "hidden", "eval"))


@run
class found: ...

# A language policy would have to stop the line above. Here only the kernel counts.
host = [path for path in ("/etc/shadow", "/root", "/home", "/sys/kernel") if found and found.path.exists(path)]
print('{"escaped": %s}' % str(not found or bool(host)).lower())
