# Attempts: nothing hostile: objects of the program's own classes survive pickling and copying.
# Expect: completed works
import collections
import copy
import dataclasses
import datetime
import enum
import pickle

import numpy


class Colour(enum.Enum):
    RED = 1


@dataclasses.dataclass
class Part:
    name: str
    children: list = dataclasses.field(default_factory=list)


class Custom:
    def __init__(self, value):
        self.value = value

    def __reduce__(self):
        return Custom, (self.value,)

    def __eq__(self, other):
        return self.value == other.value


Pair = collections.namedtuple("Pair", "left right")
objects = [
    Colour.RED, Part("a", [Part("b")]), Custom({1: 2}), Pair(1, 2), {1, 2}, frozenset("a"), 10**50, 1.5j, b"\0", "é\ud800",
    datetime.datetime(2024, 1, 2), collections.OrderedDict(a=1), collections.Counter("aab"),
    range(5), slice(1, 2), bytearray(b"x"), len, Part,
]
for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
    for item in objects:
        back = pickle.loads(pickle.dumps(item, protocol))
        assert back == item, item
array = numpy.arange(1000.0)
buffers = []
data = pickle.dumps(array, 5, buffer_callback=buffers.append)
assert (pickle.loads(data, buffers=buffers) == array).all() and len(data) < 1000
loop = []
loop.append(loop)
assert pickle.loads(pickle.dumps(loop))[0][0] is not loop
deep, shallow = copy.deepcopy(objects[1]), copy.copy(objects[1])
assert deep == shallow == objects[1] and deep.children is not objects[1].children is shallow.children
try:
    pickle.dumps(lambda: 0)
except (pickle.PicklingError, AttributeError):
    print("a lambda cannot be pickled")
print("works")
