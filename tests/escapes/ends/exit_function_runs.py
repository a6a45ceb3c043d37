# Attempts: nothing hostile: a function registered for the end.
# Expect: completed prints bye
import atexit

atexit.register(print, 'bye')
