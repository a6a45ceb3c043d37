# Attempts: leave another host name behind.
# Expect: completed
# Pair: plant host_name
import ctypes

ctypes.CDLL(None).sethostname(b"planted", 7)
