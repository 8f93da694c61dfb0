"""Parameter sweeps: compute a function at many points, never one twice, into one labelled file.

Names are imported when they are first used, so ``import sweeps`` is fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sweeps import readers, reductions, sample
    from sweeps.analysis.sobol import sobol_indices
    from sweeps.declaration.cached import cached
    from sweeps.declaration.experiment import Experiment, experiment
    from sweeps.errors import SweepsError
    from sweeps.operations.accept import accept
    from sweeps.operations.bench import bench
    from sweeps.operations.diff import diff
    from sweeps.operations.export import export
    from sweeps.operations.failures import failures, printed
    from sweeps.operations.files import files
    from sweeps.operations.land import land
    from sweeps.operations.load import load
    from sweeps.operations.plot import plot
    from sweeps.operations.report import report
    from sweeps.operations.run import run
    from sweeps.operations.status import plan, status
    from sweeps.operations.table import table
    from sweeps.operations.why import why
    from sweeps.operations.work import work
    from sweeps.outputs.file import File
    from sweeps.programs.program import program
    from sweeps.programs.templates import template
    from sweeps.spaces.build import grid, points, replicates, zipped
    from sweeps.spaces.space import Space

__version__ = "0.1.0"

_HOMES = {
    "Experiment": "declaration.experiment",
    "File": "outputs.file",
    "Space": "spaces.space",
    "SweepsError": "errors",
    "accept": "operations.accept",
    "bench": "operations.bench",
    "cached": "declaration.cached",
    "diff": "operations.diff",
    "experiment": "declaration.experiment",
    "export": "operations.export",
    "failures": "operations.failures",
    "files": "operations.files",
    "grid": "spaces.build",
    "land": "operations.land",
    "load": "operations.load",
    "plan": "operations.status",
    "plot": "operations.plot",
    "points": "spaces.build",
    "printed": "operations.failures",
    "program": "programs.program",
    "readers": "readers",
    "reductions": "reductions",
    "replicates": "spaces.build",
    "report": "operations.report",
    "run": "operations.run",
    "sample": "sample",
    "sobol_indices": "analysis.sobol",
    "status": "operations.status",
    "table": "operations.table",
    "template": "programs.templates",
    "why": "operations.why",
    "work": "operations.work",
    "zipped": "spaces.build",
}

__all__ = [
    "Experiment",
    "File",
    "Space",
    "SweepsError",
    "accept",
    "bench",
    "cached",
    "diff",
    "experiment",
    "export",
    "failures",
    "files",
    "grid",
    "land",
    "load",
    "plan",
    "plot",
    "points",
    "printed",
    "program",
    "readers",
    "reductions",
    "replicates",
    "report",
    "run",
    "sample",
    "sobol_indices",
    "status",
    "table",
    "template",
    "why",
    "work",
    "zipped",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'sweeps' has no attribute {name!r}")
    home = importlib.import_module(f"sweeps.{_HOMES[name]}")
    value = getattr(home, name, home)  # some are modules
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
