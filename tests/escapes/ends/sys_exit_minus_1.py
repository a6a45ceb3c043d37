# Attempts: nothing hostile: sys.exit with status -1.
# Expect: raised status 255 | raised status -1
import sys

sys.exit(-1)
