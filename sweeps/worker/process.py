"""What makes a process a worker: it ends with its parent, and sees what its parent sees."""

from __future__ import annotations

import contextlib
import multiprocessing.util
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import NoReturn

from sweeps.project import imports
from sweeps.signals import SIGNALS
from sweeps.worker.isolation import handlers, seeds, undo

# The others do not hinder what comes later.
_LIMITS = (
    *(resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE, resource.RLIMIT_AS, resource.RLIMIT_DATA),
    *(resource.RLIMIT_STACK, resource.RLIMIT_CORE, resource.RLIMIT_CPU, resource.RLIMIT_NPROC),
)

_OF_JOBLIB = frozenset({"VECLIB_MAXIMUM_THREADS", "ENABLE_IPC"})


class SpoiledError(Exception):
    """A process that no other point may be computed in."""


def end_copy(error: BaseException | None = None) -> NoReturn:
    """End this process, a copy that a function made and came back from, as a script would end.

    Parameters
    ----------
    error : BaseException, optional
        What the function has raised in it.
    """
    code = 0
    if isinstance(error, SystemExit) and (error.code is None or isinstance(error.code, int)):
        code = error.code or 0
    elif error is not None:
        code = 1
        with contextlib.suppress(BaseException):
            if isinstance(error, SystemExit):
                print(error.code, file=sys.stderr)
            else:
                sys.excepthook(type(error), error, error.__traceback__)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(BaseException):
            stream.flush()
    if isinstance(error, KeyboardInterrupt):
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(code & 0xFF)


class Surroundings:
    """What a function may change of its process, as it is now; points are not to see it changed.

    Parameters
    ----------
    memory_bytes : int, optional
        Limit to the memory of a worker process.
    is_worker : bool
        Whether the process is for points only, so that its limits are ours.
    is_random : bool
        Whether code mentions random numbers.

    Attributes
    ----------
    random : GlobalRandom
    n_looked : int
        How often it was looked at what points did.
    shared : set of str
        What points changed while others were under way in the same process.
    """

    def __init__(
        self, memory_bytes: int | None = None, *, is_worker: bool = True, is_random: bool = False
    ) -> None:
        self.memory_bytes = memory_bytes
        self.random = seeds.GlobalRandom(is_expected=is_random)
        self.n_looked = 0
        self.shared: set[str] = set()
        self._state = undo.State(handlers.Signals(() if is_worker else SIGNALS))
        self._is_worker = is_worker
        self._limits = {which: resource.getrlimit(which) for which in _LIMITS}
        self._lock, self._n_blocks = threading.Lock(), 0

    @property
    def is_shared(self) -> bool:
        """Whether several blocks are under way in this process, as threads have them."""
        return self._n_blocks > 1

    @property
    def is_steady(self) -> bool:
        """Whether points were found to change nothing, so far."""
        return not (self._state.restless or self.random.is_used)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold on to what is the caller's while a block is under way."""
        with self._lock:
            self._n_blocks += 1
            if self._n_blocks == 1 and not self._is_worker:
                self._state.save_streams()  # a progress bar may have come meanwhile
                self.random.save()
            self.random.is_touched()  # by others than points
        try:
            yield
        finally:
            with self._lock:
                self._n_blocks -= 1
                if self._n_blocks == 0 and not self._is_worker:
                    self.random.restore()

    def has_drawn(self) -> bool:
        """Whether points were found to draw shared random numbers, or to seed them, only now."""
        if self.random.is_used or not self.random.is_touched():
            return False
        if self.is_shared:
            self.shared.add("random numbers")
            return False
        self.random.is_used = True
        return True

    def restore(self, *, is_quick: bool = False) -> bool:
        """Undo what a point did to its process, and say whether it is the first that did so.

        Parameters
        ----------
        is_quick : bool
            Look only at settings that were found changed before.

        Raises
        ------
        SpoiledError
            Where it cannot be undone.
        """
        try:
            if self._is_worker and not is_quick:
                self._restore_limits()
            before = frozenset(self._state.restless)
            is_ours = self._is_worker or self._n_blocks > 0  # else they may be diverted
            changed = self._state.restore(is_quick=is_quick, with_streams=is_ours)
        except (OSError, ValueError) as error:
            raise SpoiledError(f"its process cannot go on: {error}") from error
        self.n_looked += not is_quick
        if self.is_shared:
            self.shared |= changed - undo.OF_THREADS
        return not changed <= before

    def _restore_limits(self) -> None:
        for which, limit in self._limits.items():
            if resource.getrlimit(which) != limit:
                resource.setrlimit(which, limit)


def become_worker(folder: str, path: Sequence[str]) -> None:
    """Make this process a worker.

    Parameters
    ----------
    folder : str
        Working directory.
    path : sequence of str
        ``sys.path``.
    """
    os.chdir(folder)
    sys.path[:] = path
    imports.forget_project_modules()


def start_processes_by(method: str | None) -> None:
    """Start processes as the parent does, unless a module has said how."""
    if method is not None and multiprocessing.get_start_method(allow_none=True) is None:
        multiprocessing.set_start_method(method)


def take_environment(environment: Mapping[str, str]) -> None:
    """Take over the environment that the parent has now, but for what joblib said of threads."""
    for name in {*os.environ, *environment}:
        is_ours = name.endswith("_NUM_THREADS") or name in _OF_JOBLIB
        if not is_ours and os.environ.get(name) != environment.get(name):
            if name in environment:
                os.environ[name] = environment[name]
            else:
                del os.environ[name]
    time.tzset()
