# Attempts: get hold of the file behind the interpreter's memory, to write to it or to share it.
# Expect: completed safe
import ctypes
import json
import mmap
import os

opened = []
with open("/proc/self/maps") as file:
    ranges = [line.split()[0] for line in file if "memfd" in line]
for name in ranges[:200]:
    for flags in (os.O_RDWR, os.O_WRONLY, os.O_RDONLY, os.O_PATH):
        try:
            os.close(os.open(f"/proc/self/map_files/{name}", flags))
            opened.append(f"{name} {flags}")
        except OSError:
            pass
for number in range(1024):
    try:
        target = os.readlink(f"/proc/self/fd/{number}")
    except OSError:
        continue
    if "memfd" in target:
        opened.append(f"descriptor {number}")
libc = ctypes.CDLL(None, use_errno=True)
for name in ranges[:20]:
    start = int(name.split("-")[0], 16)
    # Punch a hole into the file behind the mapping.
    if libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(mmap.PAGESIZE), 9) == 0:
        opened.append(f"{name} hole")
print(json.dumps({"escaped": bool(opened), "opened": opened[:5], "mappings": len(ranges)}))
