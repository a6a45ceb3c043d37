# Attempts: claim completion through our own library and abort.
# Expect: crashed signal 6
import ctypes
import os

library = ctypes.PyDLL("/guest/libhognose_zygote.so")


def claim(text):
    return library.hognose_report(text, ctypes.c_size_t(len(text)))


claim(b'{"end":"completed","value":{"repr":"FORGED"}}')
os.abort()
