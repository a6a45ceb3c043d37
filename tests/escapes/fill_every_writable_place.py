# Attempts: write 4 GiB over all writable places together.
# Expect: completed safe | limit_exceeded memory | limit_exceeded disk
# Limits: wall_ms=20000
# Rootless: completed safe | limit_exceeded memory | limit_exceeded disk | raised MemoryError because pages of a tmpfs are not charged to a process
import json
import os

block, written = b"\0" * (1 << 20), {}
for folder in (".", "/tmp", "/dev/shm", "/var/tmp", "/run"):
    written[folder] = 0
    try:
        with open(os.path.join(folder, "fill"), "wb", 0) as file:
            while sum(written.values()) < 4096:
                file.write(block)
                written[folder] += 1
    except OSError:
        pass
print(json.dumps({"escaped": sum(written.values()) > 300, "mebibytes": written}))
