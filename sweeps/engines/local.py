"""Engines for one machine: processes (loky), threads, and the caller itself."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import threading
import warnings
import weakref
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any

from sweeps.engines import guard, needs, start
from sweeps.engines.messages import Lost, Receipt
from sweeps.signals import SIGNALS

if TYPE_CHECKING:
    from joblib.parallel import ParallelBackendBase


Work = Callable[[Any], Receipt]

_POOLS: weakref.WeakSet[Any] = weakref.WeakSet()

_LOW_PRIORITY = 19

_MAX_IDLE_S = 300  # as joblib's own workers


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

    # They must outlive the workers, but ignore only SIGINT and SIGTERM by themselves. The start of
    # one unblocks these two, so that workers are not started within the same bracket.
    with _signals_held_back(), _quiet_trackers(), needs.told():
        for tracker in (resource_tracker, loky_resource_tracker):
            tracker.ensure_running()
    _let_pass(loky_resource_tracker)
    try:
        with needs.told(is_start=False):
            yield from _parallel(_processes(n_workers), work, blocks, n_workers)
    except BrokenProcessPool as error:  # TerminatedWorkerError is one; it names no task
        yield Lost(str(error))


@contextlib.contextmanager
def _quiet_trackers() -> Iterator[None]:
    """Start trackers that clean up behind workers without a word: these are ended by force."""
    before = os.environ.get("PYTHONWARNINGS")
    quiet = "ignore:resource_tracker:UserWarning"
    os.environ["PYTHONWARNINGS"] = f"{before},{quiet}" if before else quiet
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONWARNINGS"]
        else:
            os.environ["PYTHONWARNINGS"] = before


def _let_pass(tracker: Any) -> None:
    """Have workers start before a tracker, which imports all of joblib to look after semaphores."""
    pid = getattr(getattr(tracker, "_resource_tracker", None), "_pid", None)
    if isinstance(pid, int):
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, pid, _LOW_PRIORITY)


def _processes(n_workers: int) -> ParallelBackendBase:
    """Make a backend of processes that end with this one from their start on.

    One that waits for its first block would stay for minutes, and keep stdout and stderr open. A
    pool that has no initializer, such as those of others in this process, is another pool.
    """
    from joblib._parallel_backends import FallbackToBackend, LokyBackend, SequentialBackend
    from joblib.executor import get_memmapping_executor
    from joblib.externals.loky import process_executor

    process_executor.kill_process_tree = guard.end

    class Backend(LokyBackend):  # type: ignore[misc]
        def configure(
            self,
            n_jobs: int,
            parallel: Any,
            prefer: Any = None,
            require: Any = None,
            **options: Any,
        ) -> int:
            """Do what joblib does, for one worker too."""
            n_jobs = self.effective_n_jobs(n_jobs)
            if n_jobs == 1:  # there are no processes here
                raise FallbackToBackend(SequentialBackend(nesting_level=self.nesting_level))
            self._workers = get_memmapping_executor(
                n_workers,
                timeout=_MAX_IDLE_S,
                initializer=start.begin,
                initargs=(os.getpid(),),
                env=self._prepare_worker_env(n_jobs=n_workers),
                context_id=parallel._id,
                **options,
            )
            _start_feeding(self._workers)
            self.parallel = parallel
            _POOLS.add(self._workers)
            return n_jobs

        def _prepare_worker_env(self, n_jobs: int) -> dict[str, str]:
            of_threads: dict[str, str] = super()._prepare_worker_env(n_jobs)
            return {**of_threads, **start.flags()}

    return Backend()


def _start_feeding(pool: Any) -> None:
    """Start the thread that feeds the workers of a pool here, where it is heard if it cannot.

    loky starts it with the first block, in another thread, which dies of that: joblib would wait
    for ever.
    """
    queue = pool._call_queue
    with queue._notempty:
        if queue._thread is None:
            queue._start_thread()


@functools.cache
def _kill_at_exit() -> None:
    """End workers by force when Python exits, which else waits for threads that points started.

    Exit handlers come too late for that: loky waits for its workers before, in a handler of this
    kind that it registers with its first worker; the last one registered is called first.
    """
    threading._register_atexit(end_processes)  # type: ignore[attr-defined]


def end_processes(*, wait: bool = True) -> None:
    """End by force the worker processes that wait for blocks; the next round starts new ones."""
    for pool in list(_POOLS):
        pool.shutdown(wait=wait, kill_workers=True)


def _parallel(
    backend: str | ParallelBackendBase, work: Work, blocks: Iterator[Any], n_workers: int
) -> Generator[Receipt | Lost]:
    from joblib import Parallel, delayed

    # With n_jobs=1 joblib leaves the backend out and calls the function here, where a crash would
    # be ours. Two threads that get one block at a time are one worker.
    parallel = Parallel(
        n_jobs=max(2, n_workers),
        backend=backend,
        return_as="generator_unordered",
        batch_size=1,
        pre_dispatch=1 if n_workers == 1 else 2 * n_workers,
    )
    held_back = contextlib.nullcontext() if backend == "threading" else _signals_held_back()
    with held_back, needs.told():
        outcomes = parallel(delayed(work)(block) for block in blocks)
    if _POOLS:
        _kill_at_exit()
    try:
        for outcome in outcomes:  # noqa: UP028 - `yield from` would close it outside of here
            yield outcome
    finally:
        with warnings.catch_warnings():  # joblib advises not to leave blocks under way
            warnings.simplefilter("ignore", UserWarning)
            outcomes.close()


@contextlib.contextmanager
def _signals_held_back() -> Iterator[None]:
    """Start processes with signals blocked: those for the whole group are the parent's to handle.

    Processes and threads inherit the mask, so those that loky starts later have it too.
    """
    held = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
