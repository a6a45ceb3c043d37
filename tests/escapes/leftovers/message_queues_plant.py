# Attempts: leave System V and POSIX queues and semaphores behind.
# Expect: completed
# Pair: plant message_queues
import ctypes

library = ctypes.CDLL(None)
library.msgget(0x5EED, 0o1666)
library.semget(0x5EED, 1, 0o1666)
