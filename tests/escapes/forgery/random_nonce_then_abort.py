# Attempts: forge the report and abort.
# Expect: crashed signal 6
# Never: FORGED
import os
import struct

body = b'{"end":"completed","value":{"repr":"FORGED"}}'
nonce = os.urandom(32)
for descriptor in range(3, 64):
    try:
        os.write(descriptor, nonce + struct.pack("<I", len(body)) + body)
    except OSError:
        pass
os.abort()
