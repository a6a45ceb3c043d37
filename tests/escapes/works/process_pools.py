# Attempts: nothing hostile: ProcessPoolExecutor by fork and by spawn, and a worker that dies.
# Expect: completed works
# Limits: memory_bytes=1073741824 wall_ms=60000 cpu_ms=60000
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool

fork = multiprocessing.get_context("fork")


def square(number):
    return number * number


def fail(number):
    raise KeyError(number)


def die(number):
    os._exit(number)


if __name__ == "__main__":
    with ProcessPoolExecutor(2, mp_context=fork) as pool:
        assert list(pool.map(square, range(10))) == [number * number for number in range(10)]
        futures = [pool.submit(square, number) for number in range(5)]
        assert sorted(future.result() for future in as_completed(futures)) == [0, 1, 4, 9, 16]
        try:
            pool.submit(fail, 5).result()
        except KeyError as error:
            print(repr(error), type(error.__cause__).__name__)
    with ProcessPoolExecutor(1, mp_context=fork) as pool:
        try:
            pool.submit(die, 3).result()
        except BrokenProcessPool as error:
            print(type(error).__name__)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(square, 12).result() == 144
    print("works")
