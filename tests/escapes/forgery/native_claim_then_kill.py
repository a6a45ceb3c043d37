# Attempts: claim completion through our own library and kill itself.
# Expect: crashed signal 9
import ctypes
import os
import signal

library = ctypes.PyDLL("/guest/libhognose_zygote.so")


def claim(text):
    return library.hognose_report(text, ctypes.c_size_t(len(text)))


claim(b'{"end":"completed","value":{"repr":"FORGED"}}')
os.kill(os.getpid(), signal.SIGKILL)
