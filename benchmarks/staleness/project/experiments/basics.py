"""Names of all kinds, however they were bound: constants, tables, imports, defaults."""

import math
import operator as op
from functools import partial, reduce
from math import cos as cosine
from typing import TYPE_CHECKING

import numpy as np
import physics
import physics.deep.inner
from physics import tools as kit
from physics.constants import *
from physics.exported import exported as renamed
from sweeps import experiment, grid

from . import helpers
from .local.near import near_value

if TYPE_CHECKING:
    from physics.types_only import Quantity

try:
    import no_such_package as fast
except ImportError:
    from physics import slow as fast

G = 9.81
LOW, HIGH = 2, 7
NAMES = ["a", "b", "c"]
WEIGHTS = {"a": 0.5, "b": 1.5}
WEIGHTS["c"] = 2.5
WEIGHTS.update(d=3.5)
REMOVED = WEIGHTS.pop("a")
MATRIX = np.array([[1.0, 2.0], [3.0, 4.0]])
MATRIX[0, 1] = 5.0
ALLOWED = frozenset({1, 3, 5})
SHIFT = 1.0
SHIFT += 0.25
SHAPES = {"double": lambda v: 2 * v, "square": lambda v: v**2}
HALF = partial(helpers.power, exponent=0.5)
ADDED = {}
for index, name in enumerate(NAMES):
    ADDED[name] = index * 10
if G > 9:
    SIGN = 1
else:
    SIGN = -1
LABEL = f"{G:.1f}"
UNRELATED = 3


def total_of(values, *more, scale=2.0, offset=(1, 2)):
    """Add up, with all kinds of arguments."""
    extra = sum(more) * 0.5
    return sum(values) * scale + offset[1] + extra


def weigh(name, default=np.array([1.0, 2.0])):
    return WEIGHTS.get(name, 0.0) + float(default[1])


def unrelated(value):
    return value + UNRELATED


@experiment(grid(x=[1, 2, 3]))
def constants(x):
    """Constants, containers and arrays of the module, and names from stars."""
    value = G * x + LOW - HIGH
    value += sum(WEIGHTS.values()) + MATRIX.sum() * SHIFT
    if x in ALLOWED:
        value += STARRED + len(NAMES)
    value += ADDED["c"] * SIGN
    return {"value": value + float(LABEL), "removed": REMOVED}


@experiment(grid(x=[1, 2, 3]))
def imports(x: "Quantity", gain=1.5):
    """Imports in every spelling."""
    value = math.sqrt(x) + cosine(x) + helpers.decay(x) * gain
    value += physics.deep.inner.shape(x) + kit.twist(x)
    value += renamed(x) + near_value(x) + fast.crawl(x)
    return {"value": value + op.add(x, 2) + physics.VERSION}


@experiment(grid(x=[1, 2, 3]))
def callables(x):
    """Lambdas in tables, partials, defaults, star-arguments, nested functions."""

    def nested(value, step=3):
        def inner(more):
            return more * step + value

        return inner(x) + step

    count = 0

    def bump(by=1):
        nonlocal count
        count += by
        return count

    bump()
    bump(2)
    value = SHAPES["double"](x) + SHAPES["square"](x) + HALF(x)
    value += total_of([1, 2, x], 4, 5) + weigh("b") + nested(x) + count
    value += reduce(lambda left, right: left + right * 2, [x, 1, 2])
    return {"value": value}


@experiment(grid(x=[1, 2, 3]))
def statements(x):
    """Loops, comprehensions, matches, walrus, format specifications, exceptions."""
    squares = [v * v for v in range(x + 2) if v != 1]
    table = {k: helpers.decay(k) for k in range(2)}
    pairs = {(a, b) for a in range(x) for b in range(2) if a <= b}
    value = float(sum(squares) + len(pairs)) + sum(table.values())
    if (found := helpers.power(x, 2)) > 3:
        value += found
    match x:
        case 1:
            value += 10
        case 2 | 4:
            value += 20
        case int(other) if other > 2:
            value += other * 7
    try:
        value += 1 / (x - 2)
    except ZeroDivisionError:
        value -= helpers.RATE
    finally:
        value += 0.125
    while value > 40:
        value -= 11
        if value < 0:
            break
    assert value > -1000
    text = f"{value:.2f}|{x!r:>4}|{x:0{3 + 1}d}"
    low, *rest = sorted([x, 3, 1], reverse=True)
    value += low - len(rest) if x > 1 else -low
    return {"value": value, "text": text, "flag": not x > 2 and bool(rest)}
