# Attempts: nothing hostile: cycles are found, finalisers run once, weak references die.
# Expect: completed works
import gc
import sys
import tracemalloc
import weakref


class Node:
    alive = 0

    def __init__(self):
        Node.alive += 1
        self.other = None

    def __del__(self):
        Node.alive -= 1


dead = []
for _ in range(1000):
    one, two = Node(), Node()
    one.other, two.other = two, one
    weakref.finalize(one, dead.append, 1)
del one, two
assert Node.alive < 2000, "nothing is collected by itself"
gc.collect()
assert Node.alive == 0 and len(dead) == 1000
kept = Node()
cache, keys, members = weakref.WeakValueDictionary(a=kept), weakref.WeakKeyDictionary({kept: 1}), weakref.WeakSet([kept])
assert cache["a"] is kept and keys[kept] == 1 and kept in members
del kept
assert len(cache) == len(keys) == len(members) == 0
seen = []
gc.callbacks.append(lambda phase, info: seen.append(phase))
gc.collect()
gc.callbacks.pop()
assert seen == ["start", "stop"]
gc.disable()
assert not gc.isenabled()
gc.enable()
assert gc.get_threshold()[0] > 0 and len(gc.get_stats()) == 3
item = ["x"]
count = sys.getrefcount(item)
holder = [item] * 10
assert sys.getrefcount(item) == count + 10 and gc.get_referrers(item)
tracemalloc.start()
blocks = [bytes(10_000) for _ in range(100)]
current, peak = tracemalloc.get_traced_memory()
assert current > 1_000_000 <= peak
tracemalloc.stop()
print("works")
