# Attempts: redirect the collector by replacing the output folder with a link.
# Expect: completed
# Artifacts: count <= 0
# Never: root:x:0:0
import os
import shutil

os.chdir("/")
for move in (
    lambda: shutil.rmtree("/code/output"),
    lambda: os.rename("/code/output", "/code/moved"),
    lambda: os.symlink("/etc", "/code/output"),
    lambda: os.rename("/code", "/moved"),
):
    try:
        move()
    except OSError:
        pass
