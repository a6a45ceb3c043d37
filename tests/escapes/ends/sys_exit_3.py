# Attempts: nothing hostile: sys.exit with status 3.
# Expect: raised status 3
import sys

sys.exit(3)
