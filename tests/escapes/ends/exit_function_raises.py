# Attempts: nothing hostile: an exception in a function registered for the end.
# Expect: completed
import atexit

atexit.register(lambda: 1 / 0)
