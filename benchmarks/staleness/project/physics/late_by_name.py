"""Imported by its name."""


def most(value):
    return value**3
