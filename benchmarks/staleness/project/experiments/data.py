"""Files, resources, cached helpers, versions."""

import contextlib
from pathlib import Path

from physics.cached_tables import partition
from sweeps import cached, experiment, grid

HERE = Path(__file__).parent


def read(name):
    return [float(word) for word in (HERE / name).read_text().split()]


@cached(depends_on="levels.csv")
def levels(scale):
    return [value * scale for value in read("levels.csv")]


@contextlib.contextmanager
def open_client():
    yield {"rate": 3}


@experiment(grid(x=[1, 2]), depends_on="table.csv", version=2)
def tabulated(x):
    """A data file, and a cached helper with one of its own."""
    return {"value": sum(read("table.csv")) * x + sum(levels(x)) + partition(x)}


@experiment(grid(x=[1, 2]), resources={"client": open_client})
def served(x, client):
    """A resource."""
    return {"value": client["rate"] * x}
