# Attempts: nothing hostile: reading standard input that is not there.
# Expect: completed prints 0
import sys

print(len(sys.stdin.read()))
