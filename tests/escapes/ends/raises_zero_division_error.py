# Attempts: nothing hostile: an uncaught ZeroDivisionError.
# Expect: raised ZeroDivisionError
1 / 0
