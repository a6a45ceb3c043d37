# Attempts: make the host hold a file larger than the cap of one artifact.
# Expect: completed
# Limits: artifact_bytes=1048576
# Artifacts: big.bin skipped too_large, small.txt present
import os

with open("output/big.bin", "wb") as file:
    for _ in range(30):
        file.write(os.urandom(1 << 20))
with open("output/small.txt", "w") as file:
    file.write("small")
