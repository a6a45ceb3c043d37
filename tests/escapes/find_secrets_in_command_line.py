# Attempts: find secrets, host paths or foreign identities in its command line.
# Expect: completed safe
import json
import re
import sys

with open("/proc/self/cmdline", "rb") as file:
    words = file.read().replace(b"\0", b" ").decode("latin-1")
words += " " + " ".join(map(str, getattr(sys, "orig_argv", [])))
leaks = re.findall(r"--?(?:token|key|secret|password)[= ]\S+|/home/\S+|/root/\S+|\b[0-9a-f]{32,}\b", words)
print(json.dumps({"escaped": bool(leaks), "leaks": leaks}))
