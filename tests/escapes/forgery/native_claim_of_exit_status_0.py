# Attempts: claim an exit status that differs from the real one.
# Expect: crashed status 5
import ctypes
import os

library = ctypes.PyDLL("/guest/libhognose_zygote.so")


def claim(text):
    return library.hognose_report(text, ctypes.c_size_t(len(text)))


claim(b'{"end":"raised","exception":{"type":"SystemExit","message":"0","frames":[],"causes":[],"traceback":"","exit_status":0}}')
os._exit(5)
