# Attempts: leave files under hidden and temporary names behind.
# Expect: completed
# Pair: plant hidden_names
import os
import tempfile

for folder in ("/code", "/tmp", "/dev/shm"):
    with open(f"{folder}/.planted", "w") as file:
        file.write("x")
    os.makedirs(f"{folder}/.folder/inner", exist_ok=True)
tempfile.mkdtemp(prefix="planted-")
