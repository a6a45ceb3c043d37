# Attempts: nothing hostile: a write to a pipe without reader, with the signal's default.
# Expect: crashed signal 13
import os
import signal

signal.signal(signal.SIGPIPE, signal.SIG_DFL)
read, write = os.pipe()
os.close(read)
os.write(write, b'x')
