# Attempts: nothing hostile: threads are joined, exit functions and finalisers run in their order.
# Expect: completed works
import atexit
import sys
import threading
import time
import weakref


class Held:
    pass


held = Held()
order = []


def last():
    order.append("registered first")
    print(order)
    assert order == ["thread", "registered last", "finaliser", "registered first"], order
    print("works")
    sys.stdout.flush()


atexit.register(last)
weakref.finalize(held, order.append, "finaliser")
atexit.register(order.append, "registered last")
atexit.register(sys.exit, 5)
atexit.unregister(sys.exit)


def slow():
    time.sleep(0.2)
    order.append("thread")


threading.Thread(target=slow).start()
