# Attempts: leave files in every place that can be written behind.
# Expect: completed
# Pair: plant files
import os

for folder in (".", "input", "output", "/tmp", "/dev/shm", "/var/tmp", "/run", os.path.expanduser("~")):
    try:
        with open(os.path.join(folder, "planted.txt"), "w") as file:
            file.write("planted")
    except OSError:
        pass
