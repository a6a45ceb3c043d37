# Attempts: nothing; memory, code and libraries of a forked interpreter go on working.
# Expect: completed works
import ctypes
import mmap
import sqlite3
import ssl
import sys
import threading

import numpy
import scipy.fft
import scipy.linalg
import sklearn.cluster

# The heap grows and shrinks by brk, and by mappings.
for size in (1 << 12, 1 << 16, 1 << 20, 1 << 26):
    blocks = [bytes(size) for _ in range(max(1, (1 << 26) // size))]
    assert all(len(block) == size for block in blocks)
    del blocks
with mmap.mmap(-1, 1 << 20) as memory:
    memory[:4] = b"abcd"
    assert memory[:4] == b"abcd"

# Calls from native code into Python, and Python errors through native code.
order = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
numbers = (ctypes.c_int * 5)(3, 1, 4, 1, 5)
ctypes.CDLL(None).qsort(numbers, 5, ctypes.sizeof(ctypes.c_int), order(lambda a, b: a[0] - b[0]))
assert list(numbers) == [1, 1, 3, 4, 5]
try:
    numpy.linalg.cholesky(-numpy.eye(3))
except numpy.linalg.LinAlgError:
    pass
try:
    (lambda f: f(f))(lambda f: f(f))
except RecursionError:
    pass

matrix = numpy.random.default_rng(1).random((200, 200))
assert numpy.allclose(matrix @ numpy.linalg.inv(matrix), numpy.eye(200))
u, s, v = scipy.linalg.svd(matrix)
assert numpy.allclose(u * s @ v, matrix)
assert numpy.allclose(scipy.fft.ifft(scipy.fft.fft(matrix)).real, matrix)
assert len(set(sklearn.cluster.KMeans(2, n_init=1).fit_predict([[0.0], [0.1], [9.0]]))) == 2

results = []
threads = [threading.Thread(target=lambda: results.append(numpy.linalg.det(matrix))) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert len(results) == 8 and len(set(results)) == 1

assert sqlite3.connect(":memory:").execute("select 6 * 7").fetchone() == (42,)
assert ssl.create_default_context().verify_mode == ssl.CERT_REQUIRED
assert sys.intern("snapshot") is sys.intern("snap" + "shot")
print("works")
