"""Code behind labels, constants of the signature, objects of a closure."""

import functools
from dataclasses import dataclass
from enum import Enum

from physics import methods
from sweeps import experiment, grid, points

OFFSET = 3


def euler(value):
    return value + OFFSET


def made(factor):
    def scaled(value):
        return value * factor

    return scaled


class Rule:
    def __init__(self, order):
        self.order = order

    def __call__(self, value):
        return value**self.order


@dataclass(frozen=True)
class Setup:
    name: str
    size: int = 3

    def area(self):
        return self.size * 5


class Kind(Enum):
    COLD = 1
    HOT = 6

    @property
    def heat(self):
        return self.value * 10


METHODS = {
    "euler": euler,
    "lambda": lambda value: value * 2,
    "partial": functools.partial(methods.midpoint, step=0.5),
    "closure": made(7),
    "object": Rule(2),
    "bound": Rule(3).__call__,
}


@experiment(grid(method=METHODS, x=[2, 5]))
def labelled(method, x, gain=1.5):
    """Functions as values of an axis."""
    return {"value": method(x) * gain}


@experiment(grid(setup=[Setup("a"), Setup("b", 4)], kind=list(Kind)))
def structured(setup, kind):
    """Dataclasses and enums as values of an axis."""
    return {"value": setup.area() + kind.heat}


@experiment(points([{"x": 1, "y": 2.5}, {"x": 3, "y": 4.5}]))
def pointed(x, y, table=(1, 2), rule=Rule(2), shape=euler):
    """Defaults that are constants, and defaults that are code."""
    return {"value": x * y + table[1] + rule(x) + shape(y)}


CLOSED = made(11)


@experiment(grid(x=[1, 2]))
def uses_closure(x):
    """A closure of the module, and an object of it."""
    return {"value": CLOSED(x) + Rule(2)(x)}
