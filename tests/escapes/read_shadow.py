# Attempts: read the host's password hashes, private keys and shell histories.
# Expect: completed safe
import json

wanted = [
    "/etc/shadow", "/etc/gshadow", "/etc/sudoers", "/etc/machine-id", "/root/.ssh/id_rsa",
    "/root/.ssh/id_ed25519", "/root/.bash_history", "/etc/ssh/ssh_host_rsa_key",
    "/etc/ssh/ssh_host_ed25519_key", "/var/run/docker.sock", "/run/docker.sock",
]
found = []
for path in wanted:
    try:
        with open(path, "rb") as file:
            found.append([path, len(file.read(64))])
    except OSError:
        pass
print(json.dumps({"escaped": bool(found), "found": found}))
