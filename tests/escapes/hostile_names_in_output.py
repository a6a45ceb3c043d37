# Attempts: forge fields, headers or paths through artifact names.
# Expect: completed
# Artifacts: real.txt present, ../up.txt absent, count <= 20
import os

for name in (b"line\nbreak", b"quote\".txt", b"\xff\xfe.bin", b"..%2fup.txt", "right\u202eto-left.txt".encode(), b"a" * 255, b"-rf", b"con"):
    try:
        with open(b"output/" + name, "w") as file:
            file.write("x")
    except OSError:
        pass
with open("output/real.txt", "w") as file:
    file.write("mine")
os.sync()
