# Attempts: take its zygote or the supervisor down with a stack overflow in native code.
# Expect: crashed signal 11 | raised RecursionError | limit_exceeded memory | raised MemoryError
import sys

sys.setrecursionlimit(10**9)


def down(depth):
    return sorted([1], key=lambda _: down(depth + 1))


down(0)
