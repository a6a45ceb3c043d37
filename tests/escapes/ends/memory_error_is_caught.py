# Attempts: nothing hostile: a MemoryError that is caught.
# Expect: completed prints caught
try:
    bytearray(1 << 60)
except MemoryError:
    print('caught')
