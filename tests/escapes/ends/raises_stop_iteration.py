# Attempts: nothing hostile: an uncaught StopIteration.
# Expect: raised StopIteration
next(iter(()))
