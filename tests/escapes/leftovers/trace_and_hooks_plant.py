# Attempts: leave hooks in the interpreter behind.
# Expect: completed
# Pair: plant trace_and_hooks
import atexit
import gc
import sys
import threading

sys.settrace(lambda *_: None)
sys.setprofile(lambda *_: None)
threading.settrace(lambda *_: None)
sys.excepthook = lambda *_: None
sys.displayhook = lambda *_: None
atexit.register(print, "planted")
gc.disable()
