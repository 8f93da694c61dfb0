"""Classes: hierarchies, mixins, descriptors, properties, dataclasses, enums, dispatch."""

import abc
import dataclasses
import enum
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import numpy as np
import physics.models
from physics import dispatch_more, lazy_names
from physics.dispatch import measure
from physics.models import Base, Oscillator
from sweeps import experiment, grid


class Damped(Oscillator):
    """Overrides, and asks its base."""

    damping = 0.2

    def force(self, position):
        return super().force(position) - self.damping * position

    @property
    def strength(self):
        return self._strength * 2

    @strength.setter
    def strength(self, value):
        self._strength = value + 1

    @classmethod
    def heavy(cls, mass):
        return cls(mass * 10)

    @staticmethod
    def clip(value, limit=100):
        return min(value, limit)


Damped.extra = 4


class Limited:
    """A descriptor."""

    def __init__(self, high):
        self.high = high

    def __set_name__(self, owner, name):
        self.name = "_" + name

    def __get__(self, instance, owner=None):
        return getattr(instance, self.name) + 0.5

    def __set__(self, instance, value):
        setattr(instance, self.name, min(value, self.high))


class Tank:
    """Slots and a descriptor."""

    __slots__ = ("_level", "size")
    level = Limited(5)

    def __init__(self, level, size=3):
        self.level = level
        self.size = size


@dataclass
class Model(Base):
    """A dataclass with defaults."""

    a: float = 1.0
    b: float = 2.5
    table: dict = field(default_factory=lambda: {"k": 2})
    shared: ClassVar[int] = 6

    def __post_init__(self):
        self.a = self.a + 1

    def value(self):
        return self.a * self.b + self.table["k"] + self.shared + self.scaled(2)


@dataclasses.dataclass(frozen=True, order=True)
class Version:
    major: int
    minor: int = 3


class Mode(enum.Enum):
    """An enum with a method."""

    FAST = 1
    SLOW = 4

    def factor(self):
        return self.value * 3


class Flags(enum.IntFlag):
    READ = enum.auto()
    WRITE = enum.auto()


class Pair(NamedTuple):
    left: float
    right: float = 2.0

    def total(self):
        return self.left + self.right


class Shape(abc.ABC):
    @abc.abstractmethod
    def area(self): ...

    def doubled(self):
        return 2 * self.area()


class Square(Shape):
    def __init__(self, side):
        self.side = side

    def area(self):
        return self.side**2

    def __add__(self, other):
        return Square(self.side + other.side)

    def __call__(self, value):
        return self.area() - value


SQUARE = Square(3)


@experiment(grid(x=[1, 2, 3]))
def hierarchies(x):
    """Inheritance, mixins, super, properties, class attributes set later."""
    damped = Damped(x)
    damped.strength = 3
    value = damped.force(2.0) + damped.strength + Damped.extra
    value += Damped.heavy(x).mass + Damped.clip(x * 60) + damped.described()
    tank = Tank(x * 2)
    return {"value": value, "level": tank.level, "size": tank.size}


@experiment(grid(x=[1, 2, 3]))
def containers(x):
    """Dataclasses, enums, named tuples, abstract classes."""
    value = Model(x).value() + Mode.SLOW.factor() + Mode(1).factor()
    value += Pair(x).total() + Square(x).doubled() + (Square(x) + SQUARE)(1)
    value += int(Flags.WRITE) + (Version(x) > Version(2, 1)) * 5
    return {"value": value}


@experiment(grid(x=[1, 2, 3]))
def dispatched(x):
    """Functions dispatched on types in another module, and a module's `__getattr__`."""
    value = measure(x) + measure(float(x)) + measure("ab") + measure([x])
    value += lazy_names.anything + physics.models.GRAVITY
    return {"value": value, "many": np.array([measure(x), x * 2.0])}
