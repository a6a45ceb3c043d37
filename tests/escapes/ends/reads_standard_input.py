# Attempts: nothing hostile: reading standard input to its end.
# Expect: completed prints hello
# Stdin: hello
import sys

print(sys.stdin.read().strip())
