"""A generic function."""

from functools import singledispatch


@singledispatch
def measure(value):
    return 1000


@measure.register
def _(value: int):
    return value + 2


@measure.register(float)
def measure_float(value):
    return value * 0.5
