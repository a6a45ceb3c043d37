# Attempts: nothing hostile: an uncaught AttributeError.
# Expect: raised AttributeError
None.nothing
