"""signac: a job a point, worked on by the standard library's pool.

State points and job documents by https://signac.readthedocs.io/en/latest/jobs.html; arrays as files
in the job's folder (``job.fn``), of the same page, faster than an HDF5 file a job (``job.data``);
the pool over jobs by https://signac.readthedocs.io/en/latest/recipes.html.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import signac

from benchmarks import work


def scalar(n_points: int, n_more: int = 0) -> None:
    """Keep each value in its job's document."""
    n_at_once = max(1, n_points // (4 * (os.cpu_count() or 1)))
    _work(_scalar, work.points(n_points, n_more), n_at_once)


def arrays(n_arrays: int, n_bytes: int) -> None:
    """Keep each array in its job's folder."""
    _work(_array, ((i, n_bytes) for i in range(n_arrays)), 1)


def uneven(n_tasks: int, total_s: float) -> None:
    """Take one task after the other."""
    _work(_uneven, work.durations(n_tasks, total_s), 1)


def _work(function: Callable[..., None], points: Iterable[Any], n_at_once: int) -> None:
    signac.init_project()
    with multiprocessing.Pool(os.cpu_count(), _open) as pool:
        for _ in pool.imap_unordered(function, points, chunksize=n_at_once):
            pass


_project: Any


def _open() -> None:
    global _project
    _project = signac.get_project()


def _scalar(point: tuple[int, float, int]) -> None:
    a, b, c = point
    job = _project.open_job({"a": a, "b": b, "c": c})
    if "value" not in job.document:
        job.document["value"] = work.scalar(a, b, c)


def _array(point: tuple[int, int]) -> None:
    i, n_bytes = point
    job = _project.open_job({"i": i, "n_bytes": n_bytes})
    if not job.isfile("value.npy"):
        job.init()
        np.save(job.fn("value.npy"), work.array(i, n_bytes))


def _uneven(duration_s: float) -> None:
    job = _project.open_job({"duration_s": duration_s})
    if "value" not in job.document:
        job.document["value"] = work.uneven(duration_s)
