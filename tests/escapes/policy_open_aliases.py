# Attempts: read files without the name `open`, then look at the host with it.
# Expect: completed safe
import io
import linecache
import pathlib
import tokenize

leaked = []
for reader in (
    lambda path: io.open_code(path).read().decode(),
    lambda path: pathlib.Path(path).read_text(),
    lambda path: "".join(linecache.getlines(path)),
    lambda path: tokenize.open(path).read(),
):
    for path in ("/etc/shadow", "/etc/hostname", "/proc/1/environ"):
        try:
            leaked += [path] if reader(path) else []
        except (OSError, SyntaxError, UnicodeDecodeError):
            pass
found = __import__("os") if not leaked else None

# A language policy would have to stop the line above. Here only the kernel counts.
host = [path for path in ("/etc/shadow", "/root", "/home", "/sys/kernel") if found and found.path.exists(path)]
print('{"escaped": %s}' % str(not found or bool(host)).lower())
