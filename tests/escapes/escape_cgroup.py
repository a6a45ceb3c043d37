# Attempts: open cgroup files to move itself or to widen its limits.
# Expect: completed safe
import json
import os

names = {
    "cgroup.procs", "tasks", "memory.max", "memory.limit_in_bytes", "pids.max", "cpu.max", "cpu.cfs_quota_us",
    "cgroup.kill", "cgroup.freeze", "release_agent", "notify_on_release",
}
opened = []
for root, folders, files in os.walk("/sys/fs/cgroup"):
    folders[:] = folders if root.count("/") <= 7 else []
    for name in names.intersection(files):
        try:
            os.close(os.open(os.path.join(root, name), os.O_WRONLY))
            opened.append(os.path.join(root, name))
        except OSError:
            pass
print(json.dumps({"escaped": bool(opened), "opened": opened[:5]}))
