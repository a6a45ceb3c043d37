# Attempts: keep the runner from leaving with its status.
# Expect: raised KeyError | crashed
import os

os._exit = lambda status: None
raise KeyError("a real failure")
