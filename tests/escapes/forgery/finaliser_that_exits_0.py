# Attempts: turn a failure into a success in a finaliser.
# Expect: raised ArithmeticError | crashed status 0
import gc
import os


class Last:
    def __del__(self, leave=os._exit):
        leave(0)


keep = Last()
keep.itself = keep
gc.collect()
raise ArithmeticError("a real failure")
