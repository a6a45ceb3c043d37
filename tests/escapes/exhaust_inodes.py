# Attempts: create a million empty files.
# Expect: completed safe | limit_exceeded disk
# Limits: wall_ms=20000
import json
import os

os.makedirs("many", exist_ok=True)
count = 0
try:
    while count < 1_000_000:
        os.close(os.open(f"many/{count}", os.O_CREAT | os.O_WRONLY))
        count += 1
except OSError:
    pass
print(json.dumps({"escaped": count > 20_000, "files": count}))
