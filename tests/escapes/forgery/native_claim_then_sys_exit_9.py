# Attempts: claim completion through our own library and ask for a status.
# Expect: crashed status 9 | raised status 9
import ctypes
import sys

library = ctypes.PyDLL("/guest/libhognose_zygote.so")


def claim(text):
    return library.hognose_report(text, ctypes.c_size_t(len(text)))


claim(b'{"end":"completed","value":{"repr":"FORGED"}}')
sys.exit(9)
