# Attempts: import through a pickle, then look at the host with it.
# Expect: completed safe
import pickle

found = pickle.loads(b"cbuiltins\n__import__\n(S'os'\ntR.")

# A language policy would have to stop the line above. Here only the kernel counts.
host = [path for path in ("/etc/shadow", "/root", "/home", "/sys/kernel") if found and found.path.exists(path)]
print('{"escaped": %s}' % str(not found or bool(host)).lower())
