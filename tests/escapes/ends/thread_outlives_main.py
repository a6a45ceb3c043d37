# Attempts: nothing hostile: a thread that works on after the last line.
# Expect: completed prints late
import threading
import time


def work():
    time.sleep(0.3)
    print('late')


threading.Thread(target=work).start()
