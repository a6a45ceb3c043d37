# Attempts: nothing hostile: an uncaught OverflowError.
# Expect: raised OverflowError
2.0**10000
