# Attempts: find patched builtins and modules of an earlier run.
# Expect: completed safe
# Pair: check builtins x20
import json
import builtins
import os
import sys

found = [module for module in (builtins, json, os) if hasattr(module, "planted")]
found += [1] if len([]) != 0 or "planted" in sys.modules or "/tmp/planted" in sys.path else []
found += [finder for finder in sys.meta_path if type(finder).__name__ == "Planted"]

print(json.dumps({"escaped": bool(found)}))
