"""Imports where they are needed, and dynamic reach."""

import importlib
import sys

from sweeps import experiment, grid

import localkit
from localkit.solver import Solver, solve
from namespaced.inside import within

HIDDEN = 5


def hidden(value):
    return value * 2 + HIDDEN


@experiment(grid(x=[1, 2, 3]))
def lazy(x):
    """Imports inside of functions."""
    from physics.late import arrived
    import physics.late_too as too

    later = importlib.import_module("physics.late_by_name")
    return {"value": arrived(x) + too.more(x) + later.most(x)}


@experiment(grid(x=[1, 2, 3]))
def dynamic(x):
    """Names that only running the code shows."""
    own = sys.modules[__name__]
    value = globals()["hidden"](x) + getattr(own, "hid" + "den")(x)
    return {"value": value + eval("HIDDEN * x")}


@experiment(grid(x=[1, 2, 3]))
def editable(x):
    """A local package from elsewhere, and a folder without `__init__.py`."""
    solver = Solver(steps=4)
    value = solve(x) + solver.run(x) + localkit.DEFAULTS["gain"] + within(x)
    return {"value": value + getattr(localkit, "named")(x)}
