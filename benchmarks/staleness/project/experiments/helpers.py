"""Helpers beside the experiments."""

from physics.tools import twist

RATE = 0.3
NEVER = 4


def decay(time):
    """Decay in time."""
    return RATE * time + twist(time) / 2


def power(base, exponent):
    return base**exponent


def never(value):
    return value - NEVER
