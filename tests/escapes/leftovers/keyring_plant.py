# Attempts: leave a key in the kernel's key store behind.
# Expect: completed
# Pair: plant keyring
import ctypes
import os

number = 217 if os.uname().machine == "aarch64" else 248
for ring in (-3, -4, -5):
    ctypes.CDLL(None).syscall(number, b"user", b"planted", b"value", 5, ring)
