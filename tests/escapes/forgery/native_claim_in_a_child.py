# Attempts: let a child claim completion while the program itself fails.
# Expect: crashed status 9
import ctypes
import os

library = ctypes.PyDLL("/guest/libhognose_zygote.so")


def claim(text):
    return library.hognose_report(text, ctypes.c_size_t(len(text)))


child = os.fork()
if child == 0:
    claim(b'{"end":"completed","value":{"repr":"FORGED"}}')
    os._exit(0)
os.waitpid(child, 0)
os._exit(9)
