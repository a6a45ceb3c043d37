# Attempts: nothing hostile: changes, grows and frees what was there before the program began.
# Expect: completed works
# Limits: memory_bytes=1073741824
import ctypes
import gc
import sys

import numpy
import pandas
import scipy.stats
import sympy

gc.unfreeze()
# Long lists are grown where they are, by realloc.
large = [item for item in gc.get_objects() if type(item) is list and len(item) > 500]
assert large
for item in large[:20]:
    length, last = len(item), item[-1]
    item.extend([None] * (4 * length))
    assert item[length - 1] is last and item[-1] is None
    del item[length:], last
grown = {name: numpy.full(1000, index) for index, name in enumerate(sys.modules)}
assert all((array == index).all() for index, array in enumerate(grown.values()))
sys.modules["numpy"].added = "kept"
assert numpy.added == "kept"
pandas.DataFrame.doubled = lambda self: self * 2
assert pandas.DataFrame({"a": [1]}).doubled().a[0] == 2
for name in [name for name in sys.modules if name.split(".")[0] in ("sympy", "mpmath", "networkx", "seaborn")]:
    del sys.modules[name]
del sympy
del large
sys.intern("a new name that nobody interned before")
sys._clear_type_cache() if sys.version_info < (3, 13) else None
for _ in range(3):
    gc.collect()
ctypes.CDLL(None).malloc_trim(0)
held = [numpy.zeros(size) for size in (10, 1000, 100_000, 3_000_000) for _ in range(5)]
assert all(not array.any() for array in held)
import sympy as again

x = again.Symbol("x")
assert again.integrate(2 * x, x) == x**2
assert abs(scipy.stats.norm.cdf(0) - 0.5) < 1e-12
assert pandas.Series([1, 2, 3]).sum() == 6
print("works")
