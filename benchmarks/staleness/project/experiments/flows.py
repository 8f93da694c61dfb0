"""Generators, contexts, coroutines, caches, decorators, operators."""

import asyncio
import contextlib
import functools
import itertools
import operator

import numpy as np
from physics.wrappers import Accumulator, clamped, repeated, timed
from sweeps import experiment, grid

ACTIONS = {"add": operator.add, "mul": operator.mul}
CHAIN = [functools.partial(pow, 2), operator.itemgetter(1), len]


def counting(limit):
    for number in range(limit):
        if number % 2:
            continue
        yield number * 3
    yield from (limit, limit + 1)


@contextlib.contextmanager
def raised(amount=4):
    state = {"level": amount}
    try:
        yield state
    finally:
        state["level"] = 0


class Opened:
    def __enter__(self):
        self.depth = 2
        return self

    def __exit__(self, *details):
        self.depth -= 1
        return True


@functools.lru_cache(maxsize=None)
def fibonacci(number):
    return number if number < 2 else fibonacci(number - 1) + fibonacci(number - 2)


@functools.cache
def table_of(size):
    return np.arange(size) * 1.5


async def slowly(value, pause=0):
    await asyncio.sleep(pause)
    return value + 6


@repeated(times=3)
@timed
def stepped(value):
    return value * 1.5


@clamped(low=1, high=9)
def bounded(value):
    return value * 4


@experiment(grid(x=[1, 2, 3]))
def generators(x):
    """Generators and context managers."""
    value = sum(counting(x + 3)) + sum(itertools.accumulate([x, 2, 3]))
    with raised() as state, Opened() as opened:
        value += state["level"] + opened.depth
        raise RuntimeError
    return {"value": value + opened.depth}


@experiment(grid(x=[1, 2, 3]))
def wrapped(x):
    """Decorators with arguments, caches, operators in tables."""
    value = stepped(x) + bounded(x) + fibonacci(x + 4) + table_of(x + 2).sum()
    value += ACTIONS["add"](x, 3) - ACTIONS["mul"](x, 2) + CHAIN[0](x) + CHAIN[1]([x, 8])
    accumulate = Accumulator(start=2)
    for step in range(x):
        accumulate += step
    return {"value": value + accumulate.total}


@experiment(grid(x=[1, 2, 3]))
async def coroutines(x):
    """A coroutine that waits for others."""
    first, second = await asyncio.gather(slowly(x), slowly(2 * x))
    return {"value": first * 2 + second}
