# Attempts: let a file grow under the collector by a process that outlives the program.
# Expect: crashed status 0 | limit_exceeded disk
# Artifacts: count <= 1
# Within: 6000
import os
import time

if os.fork() == 0:
    os.setsid()
    with open("output/growing.log", "wb", 0) as file:
        while True:
            try:
                file.write(b"x" * 65536)
            except OSError:
                time.sleep(0.01)
time.sleep(0.3)
os._exit(0)
