# Attempts: nothing hostile: hooks of os.fork run in their order, in parent and child, twice over.
# Expect: completed works
import concurrent.futures
import logging
import os
import threading

calls = []
os.register_at_fork(
    before=lambda: calls.append("before 1"),
    after_in_parent=lambda: calls.append("parent 1"),
    after_in_child=lambda: calls.append("child 1"),
)
os.register_at_fork(before=lambda: calls.append("before 2"), after_in_child=lambda: calls.append("child 2"))


def forked(work):
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        os.write(writer, work().encode())
        os._exit(7)
    os.close(writer)
    with open(reader) as pipe:
        said = pipe.read()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    return said


def grandchild():
    assert threading.main_thread() is threading.current_thread() and threading.active_count() == 1
    calls.clear()
    return forked(lambda: ",".join(calls))


assert forked(lambda: ",".join(calls)) == "before 2,before 1,child 1,child 2"
assert calls == ["before 2", "before 1", "parent 1"]
assert forked(grandchild) == "before 2,before 1,child 1,child 2"
with concurrent.futures.ThreadPoolExecutor(2) as pool:
    assert pool.submit(int, "5").result() == 5


# The locks of the library are free in the child, though a pool of the parent has used them.
def uses_libraries():
    logging.getLogger("child").warning("said in the child")
    with concurrent.futures.ThreadPoolExecutor(1) as own:
        return str(own.submit(int, "6").result())


assert forked(uses_libraries) == "6"
print("works")
