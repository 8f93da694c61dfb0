"""Where it is really."""


def exported(value):
    return 3 * value - 1
