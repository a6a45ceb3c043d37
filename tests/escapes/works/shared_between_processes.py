# Attempts: nothing hostile: queues, pipes, values, locks and shared memory between processes.
# Expect: completed works
import multiprocessing
from multiprocessing import shared_memory

import numpy

fork = multiprocessing.get_context("fork")


def produce(numbers, answers, total, pipe, name):
    segment = shared_memory.SharedMemory(name)
    view = numpy.ndarray(1000, dtype="f8", buffer=segment.buf)
    view *= 2
    del view
    segment.close()
    while True:
        number = numbers.get()
        if number is None:
            break
        with total.get_lock():
            total.value += number
        answers.put(number * number)
    pipe.send({"sum": total.value})
    pipe.close()


segment = shared_memory.SharedMemory(create=True, size=8000)
view = numpy.ndarray(1000, dtype="f8", buffer=segment.buf)
view[:] = 1.5
numbers, answers, total = fork.Queue(), fork.Queue(), fork.Value("i", 0)
here, there = fork.Pipe()
child = fork.Process(target=produce, args=(numbers, answers, total, there, segment.name))
child.start()
for number in list(range(100)) + [None]:
    numbers.put(number)
assert sorted(answers.get(timeout=10) for _ in range(100)) == [number * number for number in range(100)]
assert here.recv() == {"sum": 4950}
child.join(10)
assert child.exitcode == 0 and total.value == 4950
assert view.sum() == 3000
del view
segment.close()
segment.unlink()
with fork.Manager() as manager:
    shared = manager.dict(a=1)
    other = fork.Process(target=shared.update, args=({"b": 2},))
    other.start()
    other.join(10)
    assert dict(shared) == {"a": 1, "b": 2}
event, gate = fork.Event(), fork.Semaphore(0)
waiter = fork.Process(target=lambda: (event.wait(10), gate.release()))
waiter.start()
event.set()
assert gate.acquire(timeout=10)
waiter.join(10)
print("works")
