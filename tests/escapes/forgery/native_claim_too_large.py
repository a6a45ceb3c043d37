# Attempts: report more than a report may hold.
# Expect: crashed status 0
import ctypes
import os

library = ctypes.PyDLL("/guest/libhognose_zygote.so")


def claim(text):
    return library.hognose_report(text, ctypes.c_size_t(len(text)))


claim(b'{"end":"completed","value":{"repr":"' + b'A' * (2 << 20) + b'"}}')
os._exit(0)
