# Attempts: leave bytes written into the code of a shared library behind.
# Expect: completed
# Pair: plant mapped_libraries
import ctypes

library = ctypes.CDLL(None)
address = ctypes.cast(library.getppid, ctypes.c_void_p).value
page = address & ~4095
if library.mprotect(ctypes.c_void_p(page), ctypes.c_size_t(8192), 7) == 0:
    ctypes.memmove(address, b"\xb8\x2a\0\0\0\xc3", 6)
