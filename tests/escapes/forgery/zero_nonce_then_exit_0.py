# Attempts: forge the report with a nonce of zeros.
# Expect: crashed status 0
# Never: FORGED
import os
import struct

body = b'{"end":"completed","value":{"repr":"FORGED"}}'
nonce = bytes(32)
for descriptor in range(3, 64):
    try:
        os.write(descriptor, nonce + struct.pack("<I", len(body)) + body)
    except OSError:
        pass
os._exit(0)
