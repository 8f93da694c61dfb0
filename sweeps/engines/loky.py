"""The engine that computes in processes of this machine, which loky starts and joblib feeds."""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import os
import signal
import threading
import weakref
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

from sweeps import ahead
from sweeps.engines import Engine, Lost, Outcome, Work, guard, lean, pool
from sweeps.errors import SweepsError
from sweeps.signals import SIGNALS

if TYPE_CHECKING:
    from joblib.parallel import ParallelBackendBase


_POOLS: weakref.WeakSet[Any] = weakref.WeakSet()

_LOW_PRIORITY = 19

_MAX_IDLE_S = 300  # as joblib's own workers

_ALONE_S = 0.1


class Loky(Engine):
    """Shares the blocks among processes, so that a crash of the function does not end the run."""

    isolates = True
    shares_machine = True
    is_sequential = False

    _n_most = 1
    """How many workers have shared the cores. One that computes alone then has as many threads as
    each of them, since linear algebra rounds by their number."""

    def check(self) -> None:
        """Refuse if this machine or this process cannot start processes."""
        pool.check()
        if multiprocessing.current_process().daemon:
            raise SweepsError(
                "this process is a worker of multiprocessing, which may not start processes: "
                f"run outside of its pool, {pool.INSTEAD}"
            )

    def n_workers(self, given: int | None) -> int:
        """Return as many as given, or one a core."""
        return pool.n_workers(given)

    def carry(self, work: Work, blocks: Iterator[Any], n_workers: int) -> Generator[Outcome]:
        """Share the blocks; the death of a worker ends all, and is the last outcome."""
        from multiprocessing import resource_tracker

        lean.load()
        from joblib.externals.loky.backend import resource_tracker as loky_resource_tracker
        from joblib.externals.loky.process_executor import BrokenProcessPool

        # They must outlive the workers, but ignore only SIGINT and SIGTERM by themselves. The start
        # of one unblocks these two, so that workers are not started within the same bracket.
        trackers = (resource_tracker, loky_resource_tracker)
        bare = lean.trackers(loky_resource_tracker)
        with _signals_held_back(), _quiet_trackers(), bare, pool.explained():
            for tracker in trackers:
                tracker.ensure_running()
        for tracker in trackers:
            _let_pass(tracker)
        self._n_most = max(self._n_most, n_workers)
        backend = _backend(n_workers, self._n_most)
        try:
            with pool.explained(is_start=False):
                yield from pool.carry(backend, work, blocks, n_workers, _starting())
        except BrokenProcessPool as error:  # TerminatedWorkerError is one; it names no task
            yield Lost(str(error))

    @contextlib.contextmanager
    def expected(self) -> Iterator[None]:
        """Start an interpreter, which becomes the first worker, if there is none.

        While this holds, it is also what further workers are copied from.
        """
        if not any(each._processes for each in list(_POOLS)):
            ahead.start()
        try:
            yield
        finally:
            ahead.discard()

    def notice(self) -> str:
        """Say whether some workers could not be started."""
        return next((each.trouble for each in list(_POOLS) if each.trouble), "")

    def close(self, *, wait: bool = True) -> None:
        """End the processes by force."""
        _end_processes(wait=wait)


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
    """Have workers start before a tracker, which nobody waits for."""
    pid = getattr(getattr(tracker, "_resource_tracker", None), "_pid", None)
    if isinstance(pid, int):
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, pid, _LOW_PRIORITY)


def _backend(n_workers: int, n_sharing: int) -> ParallelBackendBase:
    """Make a backend of processes that end with this one from their start on.

    One that waits for its first block would stay for minutes, and keep stdout and stderr open. A
    pool that has no initializer, such as those of others in this process, is another pool.
    """
    from joblib._parallel_backends import LokyBackend
    from joblib.externals.loky import process_executor

    process_executor.kill_process_tree = guard.end
    executor = _executor()

    class Backend(LokyBackend):  # type: ignore[misc]
        def configure(
            self,
            n_jobs: int,
            parallel: Any,
            prefer: Any = None,
            require: Any = None,
            **options: Any,
        ) -> int:
            """Do what joblib does, for one worker too, and in threads of its own.

            There it would call the function in this process, of which a block makes a worker.
            """
            self._workers = executor.get_memmapping_executor(
                n_workers,
                timeout=_MAX_IDLE_S,
                initializer=guard.begin,
                initargs=(os.getpid(),),
                env=self._prepare_worker_env(n_jobs=n_sharing),
                context_id=parallel._id,
                **options,
            )
            _start_feeding(self._workers)
            self.parallel = parallel
            _POOLS.add(self._workers)
            return n_jobs

        def _prepare_worker_env(self, n_jobs: int) -> dict[str, str]:
            of_threads: dict[str, str] = super()._prepare_worker_env(n_jobs)
            return {**of_threads, **ahead.flags()}

    return Backend()


@functools.cache
def _executor() -> Any:
    """Make the class of pools whose workers may be an interpreter started ahead, and its copies."""
    from joblib.executor import MemmappingExecutor
    from joblib.externals.loky.backend import fork_exec

    start = fork_exec.fork_exec

    def start_or_adopt(command: list[str], files: list[int], env: Any = None) -> int:
        adopted = ahead.adopt(command, files, env or {})
        return start(command, files, env=env) if adopted is None else adopted

    fork_exec.fork_exec = start_or_adopt

    class Executor(MemmappingExecutor):  # type: ignore[misc]
        """Starts the other workers once the first has been at work for a while.

        Few points that take no time are done before. Started at once, a second worker made 100 such
        points no faster, and took 0.04 s of a core, which the first and this process need.
        """

        _is_alone = False
        trouble = ""

        def _adjust_process_count(self) -> None:
            first = None if self._processes else ahead.pid()
            if first is not None:
                self._start_one()
                self._is_alone = first in self._processes
                if self._is_alone:
                    timer = threading.Timer(_ALONE_S, self._start_others)
                    timer.daemon = True
                    timer.start()
            if not (self._is_alone and self._processes):
                super()._adjust_process_count()

        def _start_one(self) -> None:
            self._max_workers, n_workers = 1, self._max_workers
            try:
                super()._adjust_process_count()
            finally:
                self._max_workers = n_workers

        def _start_others(self) -> None:
            """Do as `submit` does, without a block, and look after them from now on."""
            if self._pending_work_items:
                ahead.copy(self._max_workers - 1)
            with self._flags.shutdown_lock:
                self._is_alone = False
                is_over = self._flags.broken or self._flags.shutdown
                if is_over or not self._pending_work_items:
                    return
                try:
                    with pool.explained():
                        self._ensure_executor_running()
                except (SweepsError, OSError, RuntimeError) as error:
                    self.trouble = f"fewer workers than wanted: {error}"
                    self._is_alone = True  # or each block would try again, in a thread of joblib
                self._executor_manager_thread_wakeup.wakeup()

    return Executor


def _start_feeding(executor: Any) -> None:
    """Start the thread that feeds the workers here, so that an error reaches the caller.

    loky starts it with the first block, in another thread, which dies of the error: joblib would
    never return.
    """
    queue = executor._call_queue
    with queue._notempty:
        if queue._thread is None:
            queue._start_thread()


@contextlib.contextmanager
def _starting() -> Iterator[None]:
    with _signals_held_back():
        yield
    _kill_at_exit()


@functools.cache
def _kill_at_exit() -> None:
    """End workers by force when Python exits, which else waits for threads that points started.

    Exit handlers come too late for that: loky waits for its workers before, in a handler of this
    kind that it registers with its first worker; the last one registered is called first.
    """
    threading._register_atexit(_end_processes)  # type: ignore[attr-defined]


def _end_processes(*, wait: bool = True) -> None:
    """End by force the worker processes that wait for blocks."""
    for processes in list(_POOLS):
        processes.shutdown(wait=wait, kill_workers=True)


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
