# Attempts: have the runner import a module of the guest's own.
# Expect: raised ZeroDivisionError
# Never: FORGED
import sys

for name in ("json", "traceback", "struct", "linecache", "io", "ctypes"):
    with open(f"/code/{name}.py", "w") as file:
        file.write("import os\nprint('FORGED')\nos._exit(0)\n")
    sys.modules.pop(name, None)
sys.path.insert(0, "/code")
1 / 0
