# Attempts: nothing hostile: sys.exit without a status.
# Expect: completed
import sys

sys.exit()
