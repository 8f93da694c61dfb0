"""Its solver."""

import numpy as np

TABLEAU = np.array([0.25, 0.75])


def solve(value, rate=0.5):
    result = value
    for weight in TABLEAU:
        result = result + weight * rate
    return float(result)


class Solver:
    def __init__(self, steps=2):
        self.steps = steps

    def run(self, value):
        return sum(solve(value, rate=step) for step in range(self.steps))
