# Attempts: look like a kill from outside by naming a thread of itself, which no list of processes has.
# Expect: crashed signal 9
import os
import signal
import threading
import time

numbers = []


def wait():
    numbers.append(threading.get_native_id())
    time.sleep(20)


threading.Thread(target=wait, daemon=True).start()
while not numbers:
    time.sleep(0.01)
if os.fork() == 0:
    os.kill(numbers[0], signal.SIGKILL)
    os._exit(0)
time.sleep(20)
