# Attempts: overflow the collector's walk with folders in folders.
# Expect: completed
# Artifacts: count <= 20
# Within: 10000
import os

os.chdir("output")
try:
    for _ in range(2000):
        os.mkdir("d")
        os.chdir("d")
    with open("deep.txt", "w") as file:
        file.write("mine")
except OSError:
    pass
