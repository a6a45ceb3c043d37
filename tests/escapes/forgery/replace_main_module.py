# Attempts: hand the runner another main module.
# Expect: raised LookupError
import sys
import types

sys.modules["__main__"] = types.ModuleType("__main__")
sys.modules.clear()
raise LookupError("a real failure")
