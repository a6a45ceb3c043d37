# Attempts: leave System V and POSIX shared memory behind.
# Expect: completed
# Pair: plant shared_memory
import ctypes
from multiprocessing import resource_tracker, shared_memory

ctypes.CDLL(None).shmget(0x5EED, 4096, 0o1666)
try:
    block = shared_memory.SharedMemory("planted", create=True, size=4096)
    resource_tracker.unregister(block._name, "shared_memory")
except OSError:
    pass
