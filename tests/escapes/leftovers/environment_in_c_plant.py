# Attempts: leave variables set behind Python's back behind.
# Expect: completed
# Pair: plant environment_in_c
import ctypes

ctypes.CDLL(None).setenv(b"PLANTED", b"1", 1)
ctypes.CDLL(None).setenv(b"LD_PRELOAD", b"/tmp/planted.so", 1)
