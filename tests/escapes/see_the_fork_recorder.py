# Attempts: find what stood for `os.register_at_fork` before the fork, anywhere it may have been kept.
# Expect: completed safe
import json
import os
import posix
import sys

import sklearn

kept = []
for name, module in list(sys.modules.items()):
    found = getattr(module, "__dict__", {}).get("register_at_fork")
    if found is not None and found is not posix.register_at_fork:
        kept.append(name)
print(json.dumps({"escaped": bool(kept) or os.register_at_fork is not posix.register_at_fork, "kept": kept, "by": sklearn.__name__}))
