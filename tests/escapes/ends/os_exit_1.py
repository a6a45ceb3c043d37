# Attempts: nothing hostile: os._exit with status 1, behind Python's back.
# Expect: crashed status 1
import os

os._exit(1)
