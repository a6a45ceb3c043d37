# Attempts: climb from a generator's frame to the caller's builtins, then look at the host with it.
# Expect: completed safe
def climb():
    yield generator.gi_frame.f_back.f_builtins


generator = climb()
found = next(generator)["__import__"]("os")

# A language policy would have to stop the line above. Here only the kernel counts.
host = [path for path in ("/etc/shadow", "/root", "/home", "/sys/kernel") if found and found.path.exists(path)]
print('{"escaped": %s}' % str(not found or bool(host)).lower())
