"""xsweep with a Zarr store, which is cache, result and resume point in one.

Store by https://walcark.github.io/xsweep/guide/store.html, its chunks left as they are. Executor by
https://walcark.github.io/xsweep/guide/policy.html: "processes win once a call is expensive enough",
and in this process where it costs next to nothing, since each call is a task of the pool.
"""

from __future__ import annotations

import os

import numpy as np
import xarray as xr
from xsweep import SweepPolicy, sweep

from benchmarks import work

SERIAL = SweepPolicy(store="results.zarr", on_error="raise")
PROCESSES = SweepPolicy(
    store="results.zarr", on_error="raise", executor="process", max_workers=os.cpu_count()
)


@sweep("loop(a, b, c) -> value()", version="1")
def _scalar(a: int, b: float, c: int) -> float:
    return work.scalar(a, b, c)


@sweep("loop(i) -> value(cell)", version="1")
def _array(i: int, n_bytes: int) -> xr.DataArray:
    return xr.DataArray(work.array(i, n_bytes), dims="cell")


@sweep("loop(duration_s) -> value()", version="1")
def _uneven(duration_s: float) -> float:
    return work.uneven(duration_s)


def scalar(n_points: int) -> None:
    """Sweep the grid in this process."""
    space = {name: (name, np.asarray(axis)) for name, axis in work.axes(n_points).items()}
    _scalar(xr.Dataset(space), policy=SERIAL)


def arrays(n_arrays: int, n_bytes: int) -> None:
    """Sweep the index in this process."""
    _array(xr.Dataset({"i": ("i", np.arange(n_arrays))}), n_bytes=n_bytes, policy=SERIAL)


def uneven(n_tasks: int, total_s: float) -> None:
    """Sweep the durations in processes."""
    durations = np.asarray(work.durations(n_tasks, total_s))
    _uneven(xr.Dataset({"duration_s": ("duration_s", durations)}), policy=PROCESSES)
