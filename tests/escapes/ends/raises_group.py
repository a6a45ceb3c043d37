# Attempts: nothing hostile: a group of exceptions, where Python has them.
# Expect: raised ExceptionGroup | completed prints none
import sys

if sys.version_info >= (3, 11):
    raise ExceptionGroup('two', [ValueError(1), TypeError(2)])
print('none')
