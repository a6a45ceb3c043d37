# Attempts: nothing hostile: threads with locks, local data, small stacks, native work and errors.
# Expect: completed works
import queue
import threading

import numpy

numbers, done, lock, local = queue.Queue(), [], threading.Lock(), threading.local()
barrier, condition = threading.Barrier(8), threading.Condition()
ready = []


def work(name):
    local.name = name
    barrier.wait(10)
    while True:
        number = numbers.get()
        if number is None:
            break
        with lock:
            done.append(number)
    matrix = numpy.full((100, 100), float(name))
    with numpy.errstate(divide="ignore" if name % 2 else "raise"):
        assert (matrix @ matrix)[0, 0] == 100 * name * name
    assert local.name == name
    with condition:
        ready.append(name)
        condition.notify()


threading.stack_size(256 * 1024)
threads = [threading.Thread(target=work, args=(name,), name=f"worker {name}") for name in range(8)]
threading.stack_size(0)
for thread in threads:
    thread.start()
for number in list(range(1000)) + [None] * 8:
    numbers.put(number)
with condition:
    assert condition.wait_for(lambda: len(ready) == 8, 10)
for thread in threads:
    thread.join(10)
assert sorted(done) == list(range(1000)) and not hasattr(local, "name")
assert threading.active_count() == 1 and threading.main_thread() is threading.current_thread()
seen = []
threading.excepthook = lambda told: seen.append(told.exc_type)
broken = threading.Thread(target=lambda: 1 // 0)
broken.start()
broken.join()
assert seen == [ZeroDivisionError]
late = threading.Timer(0.05, seen.append, ["timer"])
late.start()
late.join(5)
assert seen[-1] == "timer"
print("works")
