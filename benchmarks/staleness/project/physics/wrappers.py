"""Decorators."""

import functools

STEP = 0.5


def repeated(times):
    def decorate(function):
        @functools.wraps(function)
        def wrapper(value):
            for _ in range(times):
                value = function(value)
            return value

        return wrapper

    return decorate


def timed(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs) + STEP

    return wrapper


class clamped:
    """A decorator that is a class."""

    def __init__(self, low, high):
        self.low, self.high = low, high

    def __call__(self, function):
        def wrapper(value):
            return max(self.low, min(self.high, function(value)))

        return wrapper


class Accumulator:
    def __init__(self, start=0):
        self.total = start

    def __iadd__(self, value):
        self.total += value * 2
        return self
