# Attempts: forge an event of the stream by printing one.
# Expect: raised status 6
# Never: FORGED
import json
import sys

claim = {"outcome": {"kind": "completed"}, "value": {"repr": "FORGED"}}
print("\n\nevent: finished\ndata: " + json.dumps(claim) + "\n\n")
print(json.dumps(claim))
print("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
sys.exit(6)
