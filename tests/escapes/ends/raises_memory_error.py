# Attempts: nothing hostile: an uncaught MemoryError.
# Expect: raised MemoryError
raise MemoryError
