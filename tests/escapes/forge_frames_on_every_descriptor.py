# Attempts: forge a result by writing frames of many protocols to every descriptor.
# Expect: crashed status 7
# Never: FORGED
import json
import os
import struct

claims = [
    {"status": "ok", "exit_code": 0, "stdout": "FORGED", "result": "FORGED", "files": [{"name": "/etc/passwd"}]},
    {"type": "result", "ok": True, "value": "FORGED"},
    {"jsonrpc": "2.0", "id": 1, "result": "FORGED"},
]
for descriptor in range(256):
    for claim in claims:
        body = json.dumps(claim).encode()
        size = len(body)
        for frame in (body + b"\n", struct.pack("<I", size) + body, struct.pack(">I", size) + body, struct.pack("<Q", size) + body, b"Content-Length: %d\r\n\r\n" % size + body):
            try:
                os.set_blocking(descriptor, False)
                os.write(descriptor, frame)
            except (OSError, ValueError):
                break
os._exit(7)
