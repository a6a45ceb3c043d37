# Attempts: nothing; forks of the program's own run every hook that its modules have registered.
# Expect: completed works
import concurrent.futures
import logging
import os
import random
import threading
import warnings

# A fork beside threads is what is tried here.
warnings.simplefilter("ignore", DeprecationWarning)
told = []
os.register_at_fork(
    before=lambda: told.append("before"),
    after_in_parent=lambda: told.append("parent"),
    after_in_child=lambda: told.append("child"),
)


def in_child(action):
    """What `action` returns in a fork, as text."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writer, str(action()).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as file:
        text = file.read()
    os.waitpid(pid, 0)
    return text


assert in_child(lambda: told) == "['before', 'child']"
assert told == ["before", "parent"]

random.seed(1)
assert float(in_child(random.random)) != random.Random(1).random() == random.random()

# `threading` knows its one thread by the right number, and a fork with a second thread leaves that behind.
assert threading.main_thread().native_id == threading.get_native_id() == os.getpid()
stop = threading.Event()
helper = threading.Thread(target=stop.wait, daemon=True)
helper.start()
seen = in_child(lambda: (threading.active_count(), threading.main_thread() is threading.current_thread()))
stop.set()
helper.join()
assert seen == "(1, True)"

# A lock of `logging` or of `concurrent.futures` that is held at the fork must be free in the child.
handler = logging.StreamHandler()
handler.acquire()
assert in_child(lambda: handler.acquire() or "free") == "free"
handler.release()
with concurrent.futures.ThreadPoolExecutor(2) as pool:
    assert list(pool.map(abs, [-1, 2])) == [1, 2]
    assert in_child(lambda: sum(concurrent.futures.ThreadPoolExecutor(1).map(abs, [-3]))) == "3"
print("works")
