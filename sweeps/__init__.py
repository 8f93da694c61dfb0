"""Parameter sweeps: declare a function and its parameters, get every result, labelled, once.

Names are imported when they are first used: ``import sweeps`` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sweeps import reductions
    from sweeps.declaring import Experiment, experiment
    from sweeps.errors import SweepsError
    from sweeps.reporting import load, plan, status
    from sweeps.running import run
    from sweeps.space import Space, grid, points, zipped

__version__ = "0.1.0"

_HOMES = {
    "Experiment": "declaring",
    "Space": "space",
    "SweepsError": "errors",
    "experiment": "declaring",
    "grid": "space",
    "load": "reporting",
    "plan": "reporting",
    "points": "space",
    "reductions": "",
    "run": "running",
    "status": "reporting",
    "zipped": "space",
}

__all__ = [
    "Experiment",
    "Space",
    "SweepsError",
    "experiment",
    "grid",
    "load",
    "plan",
    "points",
    "reductions",
    "run",
    "status",
    "zipped",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'sweeps' has no attribute {name!r}")
    home = _HOMES[name]  # none: it is a module itself
    module = importlib.import_module(f"sweeps.{home or name}")
    value = getattr(module, name) if home else module
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
