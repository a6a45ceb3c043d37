# Attempts: leave patched builtins and modules behind.
# Expect: completed
# Pair: plant builtins
import builtins
import json
import os
import sys

original = len
builtins.len = lambda thing: original(thing) + 1000
builtins.planted = json.planted = os.planted = 1
sys.modules["planted"] = json
sys.path.insert(0, "/tmp/planted")
sys.meta_path.insert(0, type("Planted", (), {"find_spec": staticmethod(lambda *_, **__: None)})())
