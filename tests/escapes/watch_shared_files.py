# Attempts: learn with inotify what its neighbours open in the shared read-only tree.
# Expect: completed safe
import ctypes
import json
import os

libc = ctypes.CDLL(None, use_errno=True)
watcher = libc.inotify_init1(0)
watched = [path for path in (os.__file__, "/python", "/environment", "/guest") if watcher >= 0 and libc.inotify_add_watch(watcher, path.encode(), 0x20) >= 0]
print(json.dumps({"escaped": bool(watched), "watched": watched}))
