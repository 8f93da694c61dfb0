"""An experiment with an array at each point, which an earlier commit has written in place."""

import numpy as np

from sweeps import experiment, grid


@experiment(grid(x=range(6)), dims={"line": ("i",)})
def large(x):
    """A line and its name."""
    return {"line": np.array([x, x * 0.1, -x]), "text": f"line {x}"}
