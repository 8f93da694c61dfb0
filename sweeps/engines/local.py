"""Engines for one machine: processes (loky), threads, and the caller itself."""

from __future__ import annotations

import signal
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

from sweeps.block import Lost, Receipt
from sweeps.interrupting import SIGNALS

Work = Callable[[Any], Receipt]


def serial(work: Work, blocks: Iterator[Any], n_workers: int) -> Generator[Receipt | Lost]:
    """Work through the blocks in the caller itself."""
    for block in blocks:
        yield work(block)


def threads(work: Work, blocks: Iterator[Any], n_workers: int) -> Generator[Receipt | Lost]:
    """Share the blocks among threads, for functions that release the interpreter."""
    from joblib import cpu_count
    from threadpoolctl import threadpool_limits

    # Worker processes of joblib get the same bound; its threads do not.
    with threadpool_limits(max(1, cpu_count() // n_workers)):
        yield from _parallel("threading", work, blocks, n_workers)


def loky(work: Work, blocks: Iterator[Any], n_workers: int) -> Generator[Receipt | Lost]:
    """Share the blocks among processes, which a crash of the function cannot take along."""
    from multiprocessing import resource_tracker

    from joblib.externals.loky.backend import resource_tracker as loky_resource_tracker
    from joblib.externals.loky.process_executor import BrokenProcessPool

    for tracker in (resource_tracker, loky_resource_tracker):
        tracker.ensure_running()  # the start of one unblocks the signals that are held back
    try:
        yield from _parallel("loky", work, blocks, n_workers)
    except BrokenProcessPool as error:  # TerminatedWorkerError is one; it names no task
        yield Lost(str(error))


def _parallel(
    backend: str, work: Work, blocks: Iterator[Any], n_workers: int
) -> Generator[Receipt | Lost]:
    from joblib import Parallel, delayed

    # With n_jobs=1 joblib leaves the backend out and calls the function here, where a crash would
    # be ours. Two workers that get one block at a time are one worker.
    parallel = Parallel(
        n_jobs=max(2, n_workers),
        backend=backend,
        return_as="generator_unordered",
        batch_size=1,
        pre_dispatch=1 if n_workers == 1 else 2 * n_workers,
    )
    with _signals_held_back():
        outcomes = parallel(delayed(work)(block) for block in blocks)
    try:
        for outcome in outcomes:  # noqa: UP028 - `yield from` would close it outside of here
            yield outcome
    finally:
        with warnings.catch_warnings():  # joblib advises not to leave blocks under way
            warnings.simplefilter("ignore", UserWarning)
            outcomes.close()


@contextmanager
def _signals_held_back() -> Iterator[None]:
    """Start workers with signals blocked: those for the whole group are the parent's to handle.

    Processes and threads inherit the mask, so those that loky starts later have it too.
    """
    held = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
