# Attempts: block the collector on a FIFO, a socket or a device.
# Expect: completed
# Artifacts: pipe.txt skipped not_regular, real.txt present
# Within: 5000
import os
import socket
import stat

os.chdir("output")
os.mkfifo("pipe.txt")
try:
    socket.socket(socket.AF_UNIX).bind("socket.txt")
except OSError:
    pass
try:
    os.mknod("zero.bin", stat.S_IFCHR | 0o666, os.makedev(1, 5))
except OSError:
    pass
with open("real.txt", "w") as file:
    file.write("mine")
