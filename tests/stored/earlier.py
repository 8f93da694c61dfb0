"""An experiment whose results earlier commits have made."""

import math

import numpy as np

from sweeps import cached, experiment, grid


@cached
def table(n):
    return np.arange(n) ** 2


def half(x):
    return x / 2


def root(x):
    return math.sqrt(x)


@experiment(
    grid(x=[1.0, 4.0, -9.0], n=[1, 3], how={"half": half, "root": root}),
    units={"x": "m", "value": "m"},
    dims={"wave": ("time",)},
)
def earlier(x, n, how, g=9.81):
    """Numbers, texts, truths, arrays of lengths that differ, and points that fail."""
    return {
        "value": g * how(x),
        "large": 2**60 + n,
        "name": f"{how.__name__} of {x}",
        "is_positive": x > 0,
        "wave": table(n) * x,
    }
