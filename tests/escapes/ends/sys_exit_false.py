# Attempts: nothing hostile: sys.exit with False, which is 0.
# Expect: completed
import sys

sys.exit(False)
