# Attempts: nothing hostile: abort.
# Expect: crashed signal 6
import os

os.abort()
