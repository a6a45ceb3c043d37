# Attempts: find answers, tokens or the report's writer in frames above the program.
# Expect: completed safe
import json
import sys

words = ("expect", "secret", "token", "nonce", "sock", "conn", "key", "answer", "grade")
frame, suspicious, depth = sys._getframe(), [], 0
while frame.f_back is not None:
    frame, depth = frame.f_back, depth + 1
    for name in frame.f_locals:
        if any(word in name.lower() for word in words):
            suspicious.append(f"{frame.f_code.co_name}.{name}")
print(json.dumps({"escaped": bool(suspicious), "suspicious": suspicious, "depth": depth}))
