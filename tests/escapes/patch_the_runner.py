# Attempts: turn a failure into a success by replacing what the runner may use.
# Expect: raised RuntimeError | crashed status 3 | crashed status 1
# Never: FORGED
import atexit
import builtins
import json
import os
import sys
import traceback

json.dumps = lambda *_, **__: '{"end":"completed","value":{"repr":"FORGED"}}'
traceback.print_exc = traceback.format_exc = traceback.format_exception = lambda *_, **__: ["FORGED"]
sys.excepthook = lambda *_: None
builtins.print = lambda *_, **__: None
sys.exit = lambda *_: os._exit(3)


class Sink:
    def write(self, text):
        return len(text)

    def flush(self): ...

    def __getattr__(self, name):
        return lambda *_, **__: "FORGED"


sys.stdout = sys.stderr = Sink()
atexit.register(lambda: os._exit(3))
raise RuntimeError("a real failure")
