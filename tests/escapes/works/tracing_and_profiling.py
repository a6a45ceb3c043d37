# Attempts: nothing hostile: trace and profile functions see the program, and let it be afterwards.
# Expect: completed works
import cProfile
import io
import pdb
import pstats
import sys
import threading
import timeit
import trace


def work(number):
    total = 0
    for index in range(number):
        total += index
    return total


events = []


def tracer(frame, event, argument):
    if frame.f_code.co_name == "work":
        events.append(event)
        return tracer
    return None


sys.settrace(tracer)
work(3)
sys.settrace(None)
assert events[0] == "call" and events[-1] == "return" and events.count("line") >= 8, events
calls = []
sys.setprofile(lambda frame, event, argument: calls.append(event))
work(1)
sys.setprofile(None)
assert {"call", "return"} <= set(calls)
threading.settrace(lambda frame, event, argument: calls.append("thread"))
thread = threading.Thread(target=work, args=(2,))
thread.start()
thread.join()
threading.settrace(None)
assert "thread" in calls
profile = cProfile.Profile()
assert profile.runcall(work, 100) == 4950
report = io.StringIO()
pstats.Stats(profile, stream=report).print_stats()
assert "(work)" in report.getvalue()
counts = trace.Trace(count=1, trace=0)
assert counts.runfunc(work, 5) == 10 and max(counts.results().counts.values()) >= 5
debugger = pdb.Pdb(stdin=io.StringIO("continue\n"), stdout=io.StringIO())
debugger.use_rawinput = False
assert debugger.runcall(work, 4) == 6
assert timeit.timeit("sum(range(100))", number=100) > 0
assert sys.gettrace() is None and sys.getprofile() is None
print("works")
