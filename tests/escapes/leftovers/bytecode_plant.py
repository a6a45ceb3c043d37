# Attempts: leave compiled modules beside the shared ones behind.
# Expect: completed
# Pair: plant bytecode
import os
import py_compile

for target in (os.path.dirname(os.__file__) + "/__pycache__/planted.pyc", "/guest/__pycache__/planted.pyc", "/tmp/planted.pyc"):
    try:
        with open("/code/planted.py", "w") as file:
            file.write("x = 1\n")
        py_compile.compile("/code/planted.py", cfile=target)
    except OSError:
        pass
