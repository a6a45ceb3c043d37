# Attempts: reach a service of the host over loopback, ours included.
# Expect: completed safe
import json
import socket

ports = (22, 53, 80, 443, 631, 2375, 2376, 3000, 5000, 5432, 6379, 6443, 7860, 8000, 8080, 8443, 8888, 9000, 9090, 10250, 11434)
reached = []
for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"), (socket.AF_INET, "0.0.0.0"), (socket.AF_INET, "172.17.0.1")):
    for port in ports:
        try:
            with socket.socket(family, socket.SOCK_STREAM) as client:
                client.settimeout(0.2)
                if client.connect_ex((host, port)) == 0:
                    reached.append(f"{host}:{port}")
        except OSError:
            break
print(json.dumps({"escaped": bool(reached), "reached": reached}))
