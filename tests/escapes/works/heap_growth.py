# Attempts: nothing hostile: 200 MB in small and in large blocks, grown, trimmed and taken again.
# Expect: completed works
import ctypes
import gc

import numpy

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.calloc.restype, libc.calloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t] * 2
libc.free.argtypes = [ctypes.c_void_p]
# Small blocks: they grow the heap by brk, and Python's own arenas by mmap.
small = [bytes([number % 251]) * 900 for number in range(100_000)]
assert all(block[0] == block[-1] == number % 251 for number, block in enumerate(small))
objects = [(number, str(number)) for number in range(200_000)]
assert objects[123_456] == (123_456, "123456")
large = [numpy.full(2_000_000, number, dtype="u1") for number in range(50)]
assert [int(block[-1]) for block in large] == list(range(50))
del small, objects, large
gc.collect()
libc.malloc_trim(0)
# What the heap gives back and takes again must be zero where calloc says so.
for size in (1000, 60_000, 200_000, 3_000_000):
    blocks = [libc.malloc(size) for _ in range(20)]
    for block in blocks:
        ctypes.memset(block, 0xAB, size)
    for block in blocks:
        libc.free(block)
    libc.malloc_trim(0)
    blocks = [libc.calloc(1, size) for _ in range(20)]
    assert all(ctypes.string_at(block, size) == bytes(size) for block in blocks), size
    for block in blocks:
        libc.free(block)
# Growing in place: mremap of one block, realloc of a list.
grown = bytearray(b"start")
while len(grown) < 60_000_000:
    grown.extend(grown)
assert grown.startswith(b"start" * 100)
grown = list(range(10))
for number in range(10, 1_500_000):
    grown.append(number)
assert grown[1_234_567] == 1_234_567
array = numpy.zeros(1000)
array.resize(20_000_000, refcheck=False)
assert array.sum() == 0
print("works")
