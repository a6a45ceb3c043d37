# Attempts: have memory that it only reads charged to the slot, by reading all that the interpreter brought along.
# Expect: completed works
# Limits: memory_bytes=67108864
if False:
    import sklearn  # Chooses the preload with the most memory.

with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", buffering=0) as memory:
    for line in maps.read().splitlines():
        addresses, rights = line.split()[:2]
        start, end = (int(part, 16) for part in addresses.split("-"))
        for at in range(start, end if rights[0] == "r" and "[v" not in line else start, 4096):
            try:
                memory.seek(at)
                memory.read(1)
            except OSError:
                pass
print("works")
