# Attempts: nothing hostile: an uncaught IndexError.
# Expect: raised IndexError
[][1]
