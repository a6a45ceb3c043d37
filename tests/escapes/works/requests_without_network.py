# Attempts: nothing hostile: HTTP clients fail at once and cleanly where there is no network.
# Expect: completed works
# Limits: wall_ms=10000
import socket
import time
import urllib.error
import urllib.request

import requests

before = time.monotonic()
for address in ("http://127.0.0.1:80/", "https://192.0.2.1/", "http://example.invalid/"):
    try:
        requests.get(address, timeout=5)
        raise SystemExit(f"{address} answered")
    except requests.exceptions.ConnectionError:
        pass
try:
    urllib.request.urlopen("http://192.0.2.1/", timeout=5)
    raise SystemExit("urllib got an answer")
except urllib.error.URLError:
    pass
try:
    socket.create_connection(("192.0.2.1", 80), 5)
    raise SystemExit("a socket connected")
except OSError:
    pass
assert time.monotonic() - before < 5
request = requests.Request("POST", "http://x.invalid/p", params={"a": "ü"}, json={"b": 1}).prepare()
assert request.url == "http://x.invalid/p?a=%C3%BC" and request.body == b'{"b": 1}'
print("works")
