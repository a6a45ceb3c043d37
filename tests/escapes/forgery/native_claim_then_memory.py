# Attempts: claim completion through our own library and take all memory.
# Expect: limit_exceeded memory | crashed status 1 | raised MemoryError
# Limits: memory_bytes=268435456
import ctypes
import os

library = ctypes.PyDLL("/guest/libhognose_zygote.so")


def claim(text):
    return library.hognose_report(text, ctypes.c_size_t(len(text)))


claim(b'{"end":"completed","value":{"repr":"FORGED"}}')
held = [bytearray(os.urandom(4096) * 2048) for _ in range(256)]
