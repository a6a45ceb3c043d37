# Attempts: read files with the `license` helper of site, then look at the host with it.
# Expect: completed safe
license._Printer__filenames = ["/etc/shadow", "/etc/passwd"]
license._Printer__lines = None
license._Printer__setup()
leaked = [line for line in license._Printer__lines or [] if line.startswith("root:")]
found = __import__("os") if not leaked else None

# A language policy would have to stop the line above. Here only the kernel counts.
host = [path for path in ("/etc/shadow", "/root", "/home", "/sys/kernel") if found and found.path.exists(path)]
print('{"escaped": %s}' % str(not found or bool(host)).lower())
