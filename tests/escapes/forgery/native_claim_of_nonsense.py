# Attempts: report what no runner would report.
# Expect: crashed status 0
import ctypes
import os

library = ctypes.PyDLL("/guest/libhognose_zygote.so")


def claim(text):
    return library.hognose_report(text, ctypes.c_size_t(len(text)))


claim(b'["completed"]')
os._exit(0)
