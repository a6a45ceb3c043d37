# Attempts: nothing hostile: a daemon thread at the end.
# Expect: completed
# Within: 5000
import threading
import time

threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
