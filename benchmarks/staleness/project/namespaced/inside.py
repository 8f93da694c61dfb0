"""In a folder that is a package without saying so."""


def within(value):
    return value * 8 - 3
