# Attempts: make the collector read a terabyte of holes.
# Expect: completed | raised OSError
# Artifacts: sparse.bin absent, count <= 1
# Within: 6000
import os

descriptor = os.open("output/sparse.bin", os.O_CREAT | os.O_WRONLY)
for size in (1 << 40, 1 << 33, 1 << 27):
    try:
        os.ftruncate(descriptor, size)
        break
    except OSError:
        continue
