# Attempts: leave start-up files for the next interpreter behind.
# Expect: completed
# Pair: plant user_site
import os

for path in ("/code/sitecustomize.py", "/code/usercustomize.py", "/tmp/sitecustomize.py", "/code/json.py", os.path.expanduser("~/.pythonrc")):
    try:
        with open(path, "w") as file:
            file.write("import builtins\nbuiltins.planted = 1\n")
    except OSError:
        pass
