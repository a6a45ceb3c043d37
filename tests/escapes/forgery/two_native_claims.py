# Attempts: make two reports, the first false.
# Expect: crashed status 1 | raised ValueError
import ctypes

library = ctypes.PyDLL("/guest/libhognose_zygote.so")


def claim(text):
    return library.hognose_report(text, ctypes.c_size_t(len(text)))


claim(b'{"end":"completed","value":{"repr":"FORGED"}}')
claim(b'{"end":"completed","value":{"repr":"2"}}')
raise ValueError
