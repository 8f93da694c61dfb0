"""The floor of all that is parallel: the standard library's pool, nothing kept before the end."""

from __future__ import annotations

import multiprocessing
import os

from benchmarks import work
from benchmarks.floors.writing import write

N_WORKERS = os.cpu_count() or 1


def scalar(n_points: int, n_more: int = 0) -> None:
    """Compute all points in chunks so big that sending them costs nothing."""
    axes = work.axes(n_points, n_more)
    chunk = max(1, n_points // (4 * N_WORKERS))
    with multiprocessing.Pool(N_WORKERS) as pool:
        values = pool.starmap(work.scalar, work.points(n_points, n_more), chunksize=chunk)
    write(values, axes)


def uneven(n_tasks: int, total_s: float) -> None:
    """Hand out tasks one by one, which is list scheduling: the best without knowing durations."""
    durations = work.durations(n_tasks, total_s)
    with multiprocessing.Pool(N_WORKERS) as pool:
        values = list(pool.imap(work.uneven, durations, chunksize=1))
    write(values, {"duration_s": durations})
