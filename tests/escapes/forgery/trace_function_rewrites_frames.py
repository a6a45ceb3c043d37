# Attempts: rewrite the runner's variables from a trace function.
# Expect: raised AssertionError | crashed
# Never: FORGED
import sys


def trace(frame, event, argument):
    for name in list(frame.f_locals):
        if "report" in name or "outcome" in name or "exception" in name:
            frame.f_locals[name] = "FORGED"
    return trace


sys.settrace(trace)
frame = sys._getframe()
while frame:
    frame.f_trace = trace
    frame = frame.f_back
raise AssertionError("a real failure")
