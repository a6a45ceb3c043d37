# Attempts: nothing hostile: a child process with a status.
# Expect: completed prints 3
import os

child = os.fork()
if child == 0:
    os._exit(3)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
