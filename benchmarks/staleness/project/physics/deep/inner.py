"""Deepest."""

from ..tools import twist as turn


def shape(value):
    return turn(value) ** 2
