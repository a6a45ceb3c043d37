# Attempts: nothing hostile: recursion that is too deep is an error that can be caught, again and again.
# Expect: completed works
import copy
import json
import sys
import threading


def depth(number):
    return 0 if number == 0 else 1 + depth(number - 1)


def endless():
    return endless()


for _ in range(20):
    try:
        endless()
        raise SystemExit("it ended")
    except RecursionError as error:
        message = str(error)
assert "maximum recursion depth" in message
assert depth(500) == 500
sys.setrecursionlimit(5000)
assert depth(4000) == 4000
sys.setrecursionlimit(1000)
nested = []
for _ in range(100_000):
    nested = [nested]
for work in (json.dumps, repr, copy.deepcopy):
    try:
        work(nested)
        raise SystemExit(f"{work} ended")
    except RecursionError:
        pass
del nested
caught = []


def in_thread():
    try:
        endless()
    except RecursionError:
        caught.append(1)


threads = [threading.Thread(target=in_thread) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert len(caught) == 4
assert eval("(" * 50 + "1" + ")" * 50) == 1
print("works")
