# Attempts: leave a daemon that listens on an abstract socket behind.
# Expect: completed
# Pair: plant abstract_listener
import os
import socket
import time

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind("\0planted")
        listener.listen()
        while True:
            listener.accept()[0].send(b"hi")
    os._exit(0)
time.sleep(0.1)
