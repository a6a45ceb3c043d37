# Attempts: nothing hostile: sys.exit with status 0.
# Expect: completed
import sys

sys.exit(0)
