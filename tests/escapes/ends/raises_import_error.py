# Attempts: nothing hostile: an uncaught ImportError.
# Expect: raised ImportError
from os import nothing_of_the_kind
