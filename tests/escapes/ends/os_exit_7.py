# Attempts: nothing hostile: os._exit with status 7, behind Python's back.
# Expect: crashed status 7
import os

os._exit(7)
