# Attempts: leave open descriptors up to the last one behind.
# Expect: completed
# Pair: plant descriptors
import os

opened = []
try:
    while True:
        opened.append(os.dup(1))
except OSError:
    pass
