# Attempts: open the interpreter, its modules and our own guest files for writing.
# Expect: completed safe
import json
import os
import sys

targets = [sys.executable, os.__file__, json.__file__, "/proc/self/exe"]
for folder in ("/guest", "/environment", "/python/lib", "/python/bin"):
    for root, _, names in os.walk(folder):
        targets += [os.path.join(root, name) for name in names[:20]]
        if len(targets) > 400:
            break
opened = []
for target in targets:
    try:
        os.close(os.open(target, os.O_WRONLY))
        opened.append(target)
    except OSError:
        pass
print(json.dumps({"escaped": bool(opened), "opened": opened[:10]}))
