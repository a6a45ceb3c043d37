# Attempts: nothing hostile: an uncaught AssertionError.
# Expect: raised AssertionError
assert False
