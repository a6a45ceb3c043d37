# Attempts: nothing hostile: context variables, generators, coroutines and context managers.
# Expect: completed works
import asyncio
import contextlib
import contextvars
import threading

name = contextvars.ContextVar("name", default="none")
token = name.set("outer")
copied = contextvars.copy_context()
assert copied.run(lambda: (name.set("inner"), name.get())[1]) == "inner" and name.get() == "outer"
name.reset(token)
assert name.get() == "none"


async def task(value):
    name.set(value)
    await asyncio.sleep(0.01)
    return name.get()


async def numbers(most):
    for number in range(most):
        await asyncio.sleep(0)
        yield number


async def main():
    assert await asyncio.gather(*(task(value) for value in "abc")) == ["a", "b", "c"]
    assert name.get() == "none"
    assert [number async for number in numbers(5)] == [0, 1, 2, 3, 4]
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(asyncio.sleep, 0)
    lock = asyncio.Lock()
    async with lock:
        assert lock.locked()


asyncio.run(main())
seen = []
thread = threading.Thread(target=lambda: seen.append(name.get()))
thread.start()
thread.join()
assert seen == ["none"]


def echo():
    received = []
    try:
        while True:
            received.append((yield len(received)))
    except ValueError:
        yield received
    finally:
        seen.append("closed")


generator = echo()
next(generator)
assert generator.send("a") == 1 and generator.throw(ValueError()) == ["a"]
generator.close()
assert seen[-1] == "closed"


@contextlib.contextmanager
def guarded():
    try:
        yield 5
    except KeyError:
        seen.append("swallowed")


with guarded() as five, contextlib.suppress(ZeroDivisionError), contextlib.redirect_stdout(None):
    print("nobody sees this")
    1 // 0
with guarded():
    raise KeyError
assert five == 5 and seen[-1] == "swallowed"
print("works")
