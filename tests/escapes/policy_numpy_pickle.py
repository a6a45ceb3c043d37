# Attempts: evaluate code while numpy loads an array, then look at the host with it.
# Expect: completed safe
import io

import numpy


class Payload:
    def __reduce__(self):
        return __import__, ("os",)


stream = io.BytesIO()
numpy.save(stream, numpy.array([Payload()], dtype=object), allow_pickle=True)
stream.seek(0)
found = numpy.load(stream, allow_pickle=True)[0]

# A language policy would have to stop the line above. Here only the kernel counts.
host = [path for path in ("/etc/shadow", "/root", "/home", "/sys/kernel") if found and found.path.exists(path)]
print('{"escaped": %s}' % str(not found or bool(host)).lower())
