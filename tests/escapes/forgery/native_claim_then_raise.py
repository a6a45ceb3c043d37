# Attempts: claim completion through our own library and then fail.
# Expect: crashed status 1 | raised RuntimeError
import ctypes

library = ctypes.PyDLL("/guest/libhognose_zygote.so")


def claim(text):
    return library.hognose_report(text, ctypes.c_size_t(len(text)))


claim(b'{"end":"completed","value":{"repr":"FORGED"}}')
raise RuntimeError("a real failure")
