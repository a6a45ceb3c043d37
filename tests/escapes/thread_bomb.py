# Attempts: start threads without end.
# Expect: completed safe | limit_exceeded processes
# Limits: wall_ms=15000
import json
import threading

stop, count = threading.Event(), 0
threading.stack_size(65536)
try:
    while count < 8000:
        threading.Thread(target=stop.wait, daemon=True).start()
        count += 1
except (RuntimeError, MemoryError):
    pass
stop.set()
print(json.dumps({"escaped": count > 300, "threads": count}))
