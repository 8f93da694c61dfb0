"""A cached helper of another module."""

from sweeps import cached

BASE = 4


@cached
def partition(value, power=2):
    return BASE + value**power
