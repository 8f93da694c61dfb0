# Cells of a notebook, run one after the other in `__main__`.
# %%
import math

from physics.tools import twist
from sweeps import experiment, grid

G = 9.81
TABLE = {"a": 2, "b": [1, 2]}
# %%
def helper(value, power=2):
    """A helper."""
    return G * value**power + TABLE["b"][1]


class Model:
    rate = 2

    def run(self, value):
        return value * self.rate + 1


SHAPE = lambda value: value - 0.25
# %%
def outer(step):
    def inner(value):
        return value * step

    return inner


ENCLOSED = outer(3)
# %%
@experiment(grid(x=[1, 2, 3]))
def noted(x):
    """An experiment of a notebook."""
    value = helper(x) + Model().run(x) + SHAPE(x) + ENCLOSED(x)
    return {"value": value + math.sqrt(x) + twist(x)}
