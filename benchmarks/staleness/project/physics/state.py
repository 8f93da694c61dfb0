"""State in globals."""

values = []
steps = 0


def start(first):
    global steps, origin
    steps = 3
    origin = first * 2


def current():
    return origin + 1


def fill():
    for value in (5, 7):
        values.append(value)


def total():
    return sum(values)


fill()
