# Attempts: nothing hostile: faulthandler writes the stacks of all threads, at once and after a time.
# Expect: completed works
import faulthandler
import os
import signal
import sys
import tempfile
import threading
import time

stop = threading.Event()


def waits_in_a_thread():
    stop.wait(20)


thread = threading.Thread(target=waits_in_a_thread)
thread.start()
with tempfile.TemporaryFile() as file:
    faulthandler.dump_traceback(file)
    faulthandler.dump_traceback_later(0.1, file=file)
    time.sleep(0.4)
    faulthandler.cancel_dump_traceback_later()
    faulthandler.register(signal.SIGUSR1, file=file)
    os.kill(os.getpid(), signal.SIGUSR1)
    faulthandler.unregister(signal.SIGUSR1)
    file.seek(0)
    text = file.read().decode()
assert text.count("waits_in_a_thread") == 3, text
assert text.count("Timeout") == 1 and "/code/main.py" in text
assert len(sys._current_frames()) == 2
stop.set()
thread.join()
with tempfile.TemporaryFile() as file:
    pid = os.fork()
    if pid == 0:
        faulthandler.enable(file)
        os.kill(os.getpid(), signal.SIGSEGV)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGSEGV
    file.seek(0)
    assert b"Segmentation fault" in file.read()
print("works")
