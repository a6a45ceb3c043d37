# Attempts: nothing hostile: os._exit with status 255, behind Python's back.
# Expect: crashed status 255
import os

os._exit(255)
