"""joblib.Memory under joblib.Parallel.

As https://joblib.readthedocs.io/en/stable/auto_examples/nested_parallel_memory.html has it: the
cached function is what `delayed` gets, so that workers look up and store by themselves.
"""

from __future__ import annotations

from joblib import Memory, Parallel, delayed

from benchmarks import work

memory = Memory("cache", verbose=0)


def scalar(n_points: int, n_more: int = 0) -> None:
    """Keep each point in the cache."""
    cached = memory.cache(work.scalar)
    Parallel(n_jobs=-1)(delayed(cached)(*point) for point in work.points(n_points, n_more))


def arrays(n_arrays: int, n_bytes: int) -> None:
    """Keep each array in the cache; what comes back is not kept in memory."""
    cached = memory.cache(work.array)
    parallel = Parallel(n_jobs=-1, return_as="generator")
    for _ in parallel(delayed(cached)(i, n_bytes) for i in range(n_arrays)):
        pass


def uneven(n_tasks: int, total_s: float) -> None:
    """Keep each task in the cache."""
    cached = memory.cache(work.uneven)
    Parallel(n_jobs=-1)(delayed(cached)(s) for s in work.durations(n_tasks, total_s))
