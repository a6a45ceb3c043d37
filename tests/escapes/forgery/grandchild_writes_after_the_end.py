# Attempts: append to the output after the program has ended.
# Expect: raised status 8 | crashed status 8
# Within: 5000
# Whoever writes to descriptor 3 voids his own report; the status stays what the kernel saw.
import os
import sys
import time

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        while True:
            try:
                os.write(1, b"late\n")
                os.write(3, b"late\n")
            except OSError:
                pass
            time.sleep(0.001)
    os._exit(0)
os.wait()
time.sleep(0.05)
sys.exit(8)
