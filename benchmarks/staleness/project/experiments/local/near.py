"""A module two relative steps away."""

from ..helpers import power as raised
from . import far


def near_value(value):
    return raised(value, 2) + far.distance(value)
