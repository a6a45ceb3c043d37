# Attempts: return a read-only file of the shared tree as its own by a hard link.
# Expect: completed
# Artifacts: library.py absent, real.txt present
import os

for target in (os.__file__, "/guest/runner.py"):
    try:
        os.link(target, "output/library.py")
    except OSError:
        pass
with open("output/real.txt", "w") as file:
    file.write("mine")
