"""Imported late."""


def arrived(value):
    return value * 23
