# Attempts: nothing hostile: maps files shared, private and anonymous, grows them, forks with them.
# Expect: completed works
import mmap
import os
import re

import numpy

with open("mapped", "wb") as file:
    file.write(bytes(range(256)) * 64)
with open("mapped", "r+b") as file:
    with mmap.mmap(file.fileno(), 0) as shared:
        assert shared[255] == 255 and shared.find(b"\x10\x11") == 16
        shared[0:5] = b"hello"
        shared.flush()
        assert re.search(rb"hel+o", shared).start() == 0
        shared.resize(40_000)
        assert shared[39_999] == 0 and len(shared) == 40_000
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as private:
        private[0:5] = b"other"
    assert os.pread(file.fileno(), 5, 0) == b"hello"
assert os.path.getsize("mapped") == 40_000
anonymous = mmap.mmap(-1, 1 << 20)
anonymous[:4] = b"mine"
if os.fork() == 0:
    anonymous[4:10] = b" child"
    os._exit(0)
os.wait()
assert anonymous[:10] == b"mine child"
private = mmap.mmap(-1, 1 << 16, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
private[:4] = b"gone"
private.madvise(mmap.MADV_DONTNEED)
assert private[:4] == bytes(4)
array = numpy.memmap("/tmp/array", dtype="f4", mode="w+", shape=(1000, 50))
array[:] = 2
array.flush()
again = numpy.memmap("/tmp/array", dtype="f4", mode="r", shape=(1000, 50))
assert again.sum() == 100_000
try:
    again[0] = 1
except ValueError as error:
    print(error)
print("works")
