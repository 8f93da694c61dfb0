"""Engines for one machine: processes (loky), threads, and the caller itself."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sweeps.block import Lost, Receipt

Work = Callable[[Any], Receipt]


def serial(work: Work, blocks: Iterator[Any], n_workers: int) -> Iterator[Receipt | Lost]:
    """Work through the blocks in the caller itself."""
    for block in blocks:
        yield work(block)


def threads(work: Work, blocks: Iterator[Any], n_workers: int) -> Iterator[Receipt | Lost]:
    """Share the blocks among threads, for functions that release the interpreter."""
    yield from _parallel("threading", work, blocks, n_workers)


def loky(work: Work, blocks: Iterator[Any], n_workers: int) -> Iterator[Receipt | Lost]:
    """Share the blocks among processes, which a crash of the function cannot take along."""
    from joblib.externals.loky.process_executor import BrokenProcessPool

    try:
        yield from _parallel("loky", work, blocks, n_workers)
    except BrokenProcessPool as error:  # TerminatedWorkerError is one; it names no task
        yield Lost(str(error))


def _parallel(
    backend: str, work: Work, blocks: Iterator[Any], n_workers: int
) -> Iterator[Receipt | Lost]:
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
    with _interrupts_held_back():
        outcomes = parallel(delayed(work)(block) for block in blocks)
    yield from outcomes


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Start workers with SIGINT blocked: Ctrl-C goes to the whole group, but is ours to handle.

    Processes and threads inherit the mask, so those that loky starts later have it too.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
