# Attempts: turn a failure into a success in the exception hook.
# Expect: raised OSError | crashed status 0
import os
import sys

sys.excepthook = lambda *_: os._exit(0)
raise OSError("a real failure")
