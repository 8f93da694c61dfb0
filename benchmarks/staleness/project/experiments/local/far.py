"""Reached through a relative import of a module."""


def distance(value):
    if value >= 3:
        return value * 1.5
    return value - 0.5
