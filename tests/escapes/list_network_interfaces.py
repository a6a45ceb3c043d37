# Attempts: see a network interface other than loopback, or open a netlink socket.
# Expect: completed safe
import json
import os
import socket

# The kernel makes these in every network namespace when their modules are loaded.
born_with = {"lo", "sit0", "tunl0", "ip6tnl0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "ip6gre0"}
names = set()
try:
    with open("/proc/net/dev") as file:
        names |= {line.split(":")[0].strip() for line in file.readlines()[2:]}
except OSError:
    pass
for lister in (lambda: os.listdir("/sys/class/net"), lambda: [name for _, name in socket.if_nameindex()]):
    try:
        names |= set(lister())
    except OSError:
        pass
netlink = True
try:
    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).close()
except OSError:
    netlink = False
print(json.dumps({"escaped": bool(names - born_with) or netlink, "names": sorted(names)}))
