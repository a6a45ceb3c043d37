# Attempts: nothing hostile: arrays, packed structures and views of one another's memory.
# Expect: completed works
import array
import binascii
import bisect
import collections
import heapq
import io
import itertools
import struct

import numpy

numbers = array.array("d", range(1000))
view = memoryview(numbers)
view[10] = -1.0
assert numbers[10] == -1.0 and view.cast("B").nbytes == 8000
shared = numpy.frombuffer(numbers)
shared[11] = 5
assert numbers[11] == 5.0
try:
    numbers.append(1.0)
    raise SystemExit("it grew under its views")
except BufferError as error:
    print(error)
del shared
view.release()
numbers.append(1.0)
packed = struct.pack("<hIq5s?d", -2, 7, -(2**40), b"abc", True, 1.5)
assert packed.hex() == "feff07000000" + "0000000000ffffff" + "6162630000" + "01" + "000000000000f83f"
assert struct.unpack("<hIq5s?d", packed) == (-2, 7, -(2**40), b"abc\0\0", True, 1.5)
assert [value for value, in struct.iter_unpack(">H", b"\0\1\0\2")] == [1, 2]
buffer = bytearray(100)
struct.pack_into("!I", buffer, 96, 0xDEADBEEF)
assert bytes(memoryview(buffer)[96:]) == b"\xde\xad\xbe\xef" and memoryview(buffer)[::2].tolist()[48] == 0xDE
assert io.BytesIO(buffer).getbuffer()[99] == 0xEF
assert binascii.unhexlify(binascii.hexlify(packed)) == packed and binascii.crc32(b"x") == 2363233923
grid = memoryview(bytes(range(24))).cast("B", (2, 3, 4))
assert grid[1, 2, 3] == 23 and grid.tolist()[1][0] == [12, 13, 14, 15]
heap = [5, 1, 4]
heapq.heapify(heap)
assert [heapq.heappop(heap) for _ in range(3)] == [1, 4, 5] and bisect.bisect([1, 2, 2, 3], 2) == 3
ring = collections.deque(range(10), maxlen=3)
ring.rotate(1)
assert list(ring) == [9, 7, 8]
assert len(list(itertools.permutations(range(6)))) == 720
print("works")
