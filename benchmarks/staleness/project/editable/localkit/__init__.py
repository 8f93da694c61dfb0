"""A local package, installed in place."""

from .solver import solve

DEFAULTS = dict(gain=1.25, limit=3)


def named(value):
    return value + DEFAULTS["limit"]
