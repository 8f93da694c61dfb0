"""Tools."""


def twist(value):
    return value + 1


def not_used(value):
    return value
