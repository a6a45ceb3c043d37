# Attempts: nothing hostile: allocations that cannot be are errors that can be caught.
# Expect: completed works
import mmap

import numpy

caught = 0
for attempt in (
    lambda: numpy.ones(1 << 40, dtype="u1"),
    lambda: numpy.empty((1 << 20, 1 << 20)).fill(1),
    lambda: bytearray(1 << 50),
    lambda: [0] * (1 << 45),
    lambda: "x" * (1 << 50),
    lambda: 1 << (1 << 60),
):
    try:
        attempt()
        raise SystemExit("memory was given")
    except (MemoryError, OverflowError):
        caught += 1
try:
    mmap.mmap(-1, 1 << 60)
except (OSError, ValueError, OverflowError):
    caught += 1
assert caught == 7
assert numpy.ones(1 << 20).sum() == 1 << 20
assert len(bytearray(50_000_000)) == 50_000_000
print("works")
