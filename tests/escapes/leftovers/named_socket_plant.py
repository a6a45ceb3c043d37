# Attempts: leave a daemon that listens on a socket in a folder behind.
# Expect: completed
# Pair: plant named_socket
import os
import socket
import time

if os.fork() == 0:
    os.setsid()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("/dev/shm/planted.sock")
    listener.listen()
    listener.accept()
    os._exit(0)
time.sleep(0.1)
