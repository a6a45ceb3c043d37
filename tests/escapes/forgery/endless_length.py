# Attempts: make the host allocate what a length field claims.
# Expect: crashed status 4
# Within: 5000
import os

os.write(3, b"\xff" * 36)
os._exit(4)
