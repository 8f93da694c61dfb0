"""xyzpy: a harvester's file is the result; crops keep batches on disk as they are computed.

Crops in batches of a set number, grown by workers and reaped into the harvester's dataset, by
https://xyzpy.readthedocs.io/en/latest/examples/crop%20example.html; what is missing of a dataset by
``missing_only``, https://xyzpy.readthedocs.io/en/latest/examples/farming%20example.html.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import xyzpy

from benchmarks import work

N_BATCHES = 64
FILE = "results.h5"


def scalar(n_points: int, n_more: int = 0) -> None:
    """Harvest the grid, by a crop if there is nothing yet."""
    _harvest(xyzpy.Runner(work.scalar, "value"), work.axes(n_points, n_more))


def arrays(n_arrays: int, n_bytes: int) -> None:
    """Harvest arrays of one dimension."""
    runner = xyzpy.Runner(
        work.array, "value", var_dims={"value": ["cell"]}, constants={"n_bytes": n_bytes}
    )
    _harvest(runner, {"i": list(range(n_arrays))})


def uneven(n_tasks: int, total_s: float) -> None:
    """Harvest tasks, each a batch of its own."""
    axes = {"duration_s": work.durations(n_tasks, total_s)}
    _harvest(xyzpy.Runner(work.uneven, "value"), axes, n_batches=n_tasks)


def _harvest(runner: Any, axes: Mapping[str, Sequence[float]], n_batches: int = N_BATCHES) -> None:
    harvester = xyzpy.Harvester(runner, FILE)
    if Path(FILE).exists():
        harvester.harvest_combos(axes, missing_only=True, parallel=True, verbosity=0)
        return
    crop = harvester.Crop("crop", num_batches=n_batches)
    crop.sow_combos(axes, verbosity=0)
    crop.grow(num_workers=os.cpu_count(), verbosity=0)
    crop.reap(verbosity=0)
