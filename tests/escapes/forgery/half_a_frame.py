# Attempts: leave the host waiting for the rest of a frame.
# Expect: crashed status 0
# Never: FORGED
# Within: 5000
import os
import struct

os.write(3, os.urandom(32) + struct.pack("<I", 1 << 20) + b"{")
os._exit(0)
