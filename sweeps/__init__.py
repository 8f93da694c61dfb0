"""Parameter sweeps: declare a function and its parameters, get every result, labelled, once.

Names are imported when they are first used: ``import sweeps`` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sweeps import reductions, sample
    from sweeps.benchmarking import bench
    from sweeps.caching import cached
    from sweeps.comparing import diff
    from sweeps.declaring import Experiment, experiment
    from sweeps.errors import SweepsError
    from sweeps.explaining import why
    from sweeps.relanding import land
    from sweeps.reporting import failures, load, plan, status
    from sweeps.running import run
    from sweeps.sensitivity import sobol_indices
    from sweeps.space import Space, grid, points, replicates, zipped
    from sweeps.vouching import accept

__version__ = "0.1.0"

_HOMES = {
    "Experiment": "declaring",
    "Space": "space",
    "SweepsError": "errors",
    "accept": "vouching",
    "bench": "benchmarking",
    "cached": "caching",
    "diff": "comparing",
    "experiment": "declaring",
    "failures": "reporting",
    "grid": "space",
    "land": "relanding",
    "load": "reporting",
    "plan": "reporting",
    "points": "space",
    "reductions": "reductions",
    "replicates": "space",
    "run": "running",
    "sample": "sample",
    "sobol_indices": "sensitivity",
    "status": "reporting",
    "why": "explaining",
    "zipped": "space",
}

__all__ = [
    "Experiment",
    "Space",
    "SweepsError",
    "accept",
    "bench",
    "cached",
    "diff",
    "experiment",
    "failures",
    "grid",
    "land",
    "load",
    "plan",
    "points",
    "reductions",
    "replicates",
    "run",
    "sample",
    "sobol_indices",
    "status",
    "why",
    "zipped",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'sweeps' has no attribute {name!r}")
    home = importlib.import_module(f"sweeps.{_HOMES[name]}")
    value = home if name == _HOMES[name] else getattr(home, name)  # some are modules
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
