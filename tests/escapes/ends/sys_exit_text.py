# Attempts: nothing hostile: sys.exit with a text.
# Expect: raised status 1
import sys

sys.exit('it went wrong')
