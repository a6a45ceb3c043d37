# Attempts: nothing hostile: an exception with a cause.
# Expect: raised TypeError
try:
    1 / 0
except ZeroDivisionError as error:
    raise TypeError('later') from error
