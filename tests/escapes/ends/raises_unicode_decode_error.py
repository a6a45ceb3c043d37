# Attempts: nothing hostile: an uncaught UnicodeDecodeError.
# Expect: raised UnicodeDecodeError
b"\xff".decode()
