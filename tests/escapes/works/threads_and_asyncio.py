# Attempts: nothing hostile: threads, a thread pool and an event loop.
# Expect: completed works
import asyncio
import concurrent.futures
import threading

seen = []
threads = [threading.Thread(target=seen.append, args=(number,)) for number in range(16)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert sorted(seen) == list(range(16))
with concurrent.futures.ThreadPoolExecutor(8) as pool:
    assert list(pool.map(abs, range(-9, 0))) == list(range(9, 0, -1))
asyncio.run(asyncio.sleep(0.01))
print("works")
