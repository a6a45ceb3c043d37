# Attempts: claim completion through our own library and go on past the wall limit.
# Expect: limit_exceeded wall
# Limits: wall_ms=1500
# Within: 6000
import ctypes
import time

library = ctypes.PyDLL("/guest/libhognose_zygote.so")


def claim(text):
    return library.hognose_report(text, ctypes.c_size_t(len(text)))


claim(b'{"end":"completed","value":{"repr":"FORGED"}}')
while True:
    time.sleep(1)
