# Attempts: execute a program it has just written, from the workdir and from memory.
# Expect: completed
import os
import shutil
import sys

# Subprocesses are allowed, so this is a record and not a verdict: a fresh file gains nothing that
# native code in this process does not have.
ran = []
shutil.copy(os.path.realpath(sys.executable), "/tmp/fresh")
os.chmod("/tmp/fresh", 0o700)
targets = [("tmp", "/tmp/fresh")]
try:
    anonymous = os.memfd_create("fresh")
    with open("/tmp/fresh", "rb") as file:
        shutil.copyfileobj(file, os.fdopen(os.dup(anonymous), "wb"))
    targets.append(("memory", anonymous))
except OSError:
    pass  # Where no cgroup counts them there are no anonymous files.
for name, target in targets:
    child = os.fork()
    if child == 0:
        try:
            os.execve(target, ["fresh", "-V"], {})
        except OSError:
            os._exit(3)
    ran += [name] if os.waitpid(child, 0)[1] == 0 else []
print(ran)
