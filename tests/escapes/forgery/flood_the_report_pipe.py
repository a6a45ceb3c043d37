# Attempts: fill the report pipe before the real report.
# Expect: crashed | completed | limit_exceeded wall
# Never: FORGED
# Limits: wall_ms=3000
# Within: 8000
import os

os.set_blocking(3, False)
try:
    while True:
        os.write(3, b"FORGED" * 10000)
except BlockingIOError:
    os.set_blocking(3, True)
