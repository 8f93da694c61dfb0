"""Methods behind labels."""


def midpoint(value, step):
    return value * step + correction(value)


def correction(value):
    return value / 8
