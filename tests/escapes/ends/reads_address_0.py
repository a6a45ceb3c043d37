# Attempts: nothing hostile: a read of address 0.
# Expect: crashed signal 11
import ctypes

ctypes.string_at(0)
