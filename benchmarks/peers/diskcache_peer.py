"""diskcache under the standard library's pool.

Scalars are computed by the pool and stored by this process, in transactions of many, since each
write is one of its own else: https://grantjenks.com/docs/diskcache/tutorial.html says of
``transact`` that it makes writes faster. Arrays and slow tasks are stored by the workers, through
a ``FanoutCache``, which the same page recommends for concurrent writers.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os

import diskcache
import numpy as np
import numpy.typing as npt

from benchmarks import work

N_AT_ONCE = 1000
UNLIMITED = 2**40  # else it evicts what is beyond 1 GiB


def scalar(n_points: int, n_more: int = 0) -> None:
    """Look up all points, compute those that are missing, store them as they come."""
    with diskcache.Cache("cache", size_limit=UNLIMITED) as cache:
        missing = [point for point in work.points(n_points, n_more) if cache.get(point) is None]
        if not missing:
            return
        with multiprocessing.Pool(os.cpu_count()) as pool:
            values = pool.imap(_of_point, missing, chunksize=N_AT_ONCE)
            pairs = zip(missing, values, strict=True)
            while some := list(itertools.islice(pairs, N_AT_ONCE)):
                with cache.transact():
                    for point, value in some:
                        cache[point] = value


def arrays(n_arrays: int, n_bytes: int) -> None:
    """Have workers compute and store."""
    with multiprocessing.Pool(os.cpu_count(), _open) as pool:
        pool.starmap(_array, ((i, n_bytes) for i in range(n_arrays)))


def uneven(n_tasks: int, total_s: float) -> None:
    """Have workers take one task after the other."""
    with multiprocessing.Pool(os.cpu_count(), _open) as pool:
        pool.map(_uneven, work.durations(n_tasks, total_s), chunksize=1)


_cache: diskcache.FanoutCache


def _open() -> None:
    global _cache
    _cache = diskcache.FanoutCache("cache", shards=os.cpu_count(), size_limit=UNLIMITED)


def _of_point(point: tuple[float, ...]) -> float:
    return work.scalar(*point)


def _array(i: int, n_bytes: int) -> None:
    if (i, n_bytes) not in _cache:
        value: npt.NDArray[np.float64] = work.array(i, n_bytes)
        _cache.set((i, n_bytes), value, retry=True)


def _uneven(duration_s: float) -> None:
    if duration_s not in _cache:
        _cache.set(duration_s, work.uneven(duration_s), retry=True)
