# Attempts: leave a mount over /tmp behind.
# Expect: completed
# Pair: plant mounts
import ctypes

ctypes.CDLL(None).mount(b"none", b"/tmp", b"tmpfs", 0, b"size=12345k")
