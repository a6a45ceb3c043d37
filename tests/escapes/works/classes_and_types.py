# Attempts: nothing hostile: data classes, type hints, metaclasses, descriptors, enumerations, abstract classes.
# Expect: completed works
import abc
import dataclasses
import enum
import functools
import typing


@dataclasses.dataclass(order=True, frozen=True)
class Version:
    major: int
    minor: int = 0
    tags: typing.Tuple[str, ...] = dataclasses.field(default=(), compare=False)


assert Version(1, 2) < Version(1, 3) and hash(Version(1)) == hash(Version(1))
assert dataclasses.asdict(Version(1, 2, ("x",))) == {"major": 1, "minor": 2, "tags": ("x",)}
try:
    Version(1).major = 2
except dataclasses.FrozenInstanceError as error:
    print(error)
assert typing.get_type_hints(Version)["major"] is int
T = typing.TypeVar("T")


class Box(typing.Generic[T]):
    def __class_getitem__(cls, item):
        return super().__class_getitem__(item)


assert typing.get_args(Box[int]) == (int,) and typing.get_origin(typing.Optional[int]) is typing.Union


class Registry(type):
    known = {}

    def __new__(mcs, name, bases, body, **options):
        made = super().__new__(mcs, name, bases, body)
        mcs.known[name] = options
        return made


class Plugin(metaclass=Registry, level=3):
    pass


assert Registry.known == {"Plugin": {"level": 3}}


class Shape(abc.ABC):
    @property
    @abc.abstractmethod
    def area(self):
        ...


try:
    Shape()
except TypeError as error:
    print("abstract" in str(error))


class Square(Shape):
    __slots__ = ("side",)

    def __init__(self, side):
        self.side = side

    @functools.cached_property
    def slow(self):
        return 1

    area = property(lambda self: self.side**2)


assert Square(3).area == 9


class Mode(enum.IntFlag):
    READ = 4
    WRITE = 2


assert Mode.READ | Mode.WRITE == 6 and Mode(6) & Mode.READ


@functools.singledispatch
def describe(item):
    return "thing"


@describe.register
def _(item: int):
    return "number"


assert describe(1) == "number" and describe("x") == "thing"


@functools.lru_cache(maxsize=None)
def fibonacci(number):
    return number if number < 2 else fibonacci(number - 1) + fibonacci(number - 2)


assert fibonacci(200) == 280571172992510140037611932413038677189525
print("works")
