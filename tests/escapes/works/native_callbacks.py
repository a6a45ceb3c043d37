# Attempts: nothing hostile: C calls back into Python, prints by itself and keeps errno per thread.
# Expect: completed works
import ctypes
import ctypes.util
import errno
import sys
import threading

libc = ctypes.CDLL(None, use_errno=True)
Compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
calls = []


@Compare
def compare(left, right):
    calls.append(1)
    return (left[0] > right[0]) - (left[0] < right[0])


numbers = (ctypes.c_int * 500)(*[(7919 * number) % 500 for number in range(500)])
libc.qsort(numbers, 500, ctypes.sizeof(ctypes.c_int), compare)
assert list(numbers) == list(range(500)) and len(calls) > 500


class Point(ctypes.Structure):
    _fields_ = [("x", ctypes.c_double), ("y", ctypes.c_double), ("name", ctypes.c_char * 8)]


point = Point(1.5, 2.5, b"here")
assert Point.from_buffer_copy(bytes(point)).name == b"here"
libc.strtod.restype, libc.strtod.argtypes = ctypes.c_double, [ctypes.c_char_p, ctypes.c_void_p]
assert libc.strtod(b"2.5", None) == 2.5
assert libc.close(999) == -1 and ctypes.get_errno() == errno.EBADF
other = []
thread = threading.Thread(target=lambda: other.append(ctypes.get_errno()))
thread.start()
thread.join()
assert other == [0] and ctypes.get_errno() == errno.EBADF
libc.calloc.restype, libc.calloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t] * 2
libc.realloc.restype, libc.realloc.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
memory = libc.calloc(1000, 1000)
assert ctypes.string_at(memory, 1_000_000) == bytes(1_000_000)
ctypes.memset(memory, 7, 1_000_000)
memory = libc.realloc(memory, 5_000_000)
assert ctypes.string_at(memory, 1_000_000) == b"\7" * 1_000_000
libc.free(memory)
libc.printf(b"%s %d\n", b"printed by C", 5)
libc.fflush(None)
assert ctypes.pythonapi.Py_GetVersion and ctypes.py_object
sys.stdout.flush()
print("works")
