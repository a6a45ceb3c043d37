# Attempts: run code through the interpreter's own C interface, then look at the host with it.
# Expect: completed safe
import builtins
import ctypes

ctypes.pythonapi.PyRun_SimpleString(b"import builtins, os; builtins.found_os = os")
found = builtins.found_os

# A language policy would have to stop the line above. Here only the kernel counts.
host = [path for path in ("/etc/shadow", "/root", "/home", "/sys/kernel") if found and found.path.exists(path)]
print('{"escaped": %s}' % str(not found or bool(host)).lower())
