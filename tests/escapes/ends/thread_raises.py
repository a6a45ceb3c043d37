# Attempts: nothing hostile: an exception in another thread.
# Expect: completed prints main
import threading

thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()
print('main')
