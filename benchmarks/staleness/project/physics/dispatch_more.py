"""More types, registered from another module."""

from physics import dispatch
from physics.dispatch import measure


@measure.register(str)
def measure_text(value):
    return len(value) * 7


@dispatch.measure.register
def _(value: list):
    return len(value) - 9
