# Attempts: make the collector return host files, or walk host folders, through links.
# Expect: completed
# Artifacts: passwd.txt skipped symlink, environ.txt skipped symlink, up.txt skipped symlink, etc skipped symlink, root skipped symlink, loop skipped symlink, real.txt present
# Never: root:x:0:0
import os

os.chdir("output")
for name, target in (
    ("passwd.txt", "/etc/passwd"), ("environ.txt", "/proc/self/environ"), ("up.txt", "../../../../../etc/passwd"),
    ("etc", "/etc"), ("root", "/"), ("exe.bin", "/proc/self/exe"), ("descriptor", "/proc/self/fd/0"), ("loop", "loop"),
):
    os.symlink(target, name)
os.makedirs("folder/inner")
os.symlink("../../../..", "folder/inner/up")
with open("real.txt", "w") as file:
    file.write("mine")
