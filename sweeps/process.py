"""What makes a process a worker: it ends with its parent, and sees what its parent sees."""

from __future__ import annotations

import contextlib
import faulthandler
import multiprocessing.util
import os
import resource
import signal
import sys
import threading
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

from sweeps import guarding, importing, interrupting
from sweeps.interrupting import SIGNALS

_HANDLED = (signal.SIGALRM, *SIGNALS)
# Of those the others either do not hinder what comes later, or end the process.
_LIMITS = (resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE, resource.RLIMIT_AS, resource.RLIMIT_DATA)


_MAX_ENDING_S = 60  # resources are closed meanwhile
_FIRST = 1000  # of what multiprocessing does as a process ends


class SpoiledError(Exception):
    """A process that no other point may be computed in."""


def begin(parent: int) -> None:
    """Begin to be a worker, before anything of a run is known.

    Parameters
    ----------
    parent : int
        Process that started this one.
    """
    guarding.put_below_guard(parent)
    _leave_signals_to_parent()
    # Processes that a point starts are those of a plain script: loky has made its own kind the
    # usual one, and a process that is spawned would import loky's main module.
    multiprocessing.set_start_method(None, force=True)
    main = sys.modules["__main__"]
    main.__spec__ = None
    vars(main).pop("__file__", None)
    os.register_at_fork(after_in_child=faulthandler.disable)  # their deaths are not the worker's
    multiprocessing.util.Finalize(None, _end_for_sure, exitpriority=_FIRST)


def _end_for_sure() -> None:
    """Have this worker end, though children that a point has left are waited for, or threads."""
    guarding.end_descendants()
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(_MAX_ENDING_S)


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

    Attributes
    ----------
    memory_bytes : int, optional
        Its limit.
    """

    def __init__(self, memory_bytes: int | None = None) -> None:
        self.memory_bytes = memory_bytes
        self._folder, self._path = os.getcwd(), list(sys.path)  # noqa: PTH109
        self._depth = sys.getrecursionlimit()
        self._umask = os.umask(0)
        os.umask(self._umask)
        self._handlers = {number: signal.getsignal(number) for number in _HANDLED}
        self._limits = {which: resource.getrlimit(which) for which in _LIMITS}

    def restore(self) -> None:
        """Undo what a point did to its process.

        Raises
        ------
        SpoiledError
            Where it cannot be undone.
        """
        if sys.path != self._path:
            sys.path[:] = self._path
        if sys.getrecursionlimit() != self._depth:
            sys.setrecursionlimit(self._depth)
        signal.setitimer(signal.ITIMER_REAL, 0)
        if threading.current_thread() is threading.main_thread():
            for number, handler in self._handlers.items():
                if signal.getsignal(number) is not handler:
                    signal.signal(number, handler)
        try:
            for which, limit in self._limits.items():
                if resource.getrlimit(which) != limit:
                    resource.setrlimit(which, limit)
            if _folder() != self._folder:
                os.chdir(self._folder)
        except (OSError, ValueError) as error:
            raise SpoiledError(f"its process cannot go on: {error}") from error
        os.umask(self._umask)


def _folder() -> str | None:
    try:
        return os.getcwd()  # noqa: PTH109
    except OSError:  # it was removed
        return None


def become_worker(folder: str, path: Sequence[str]) -> None:
    """Make this process a worker.

    Parameters
    ----------
    folder : str
        Working directory.
    path : sequence of str
        ``sys.path``.
    """
    os.dup2(2, 1)  # what a function prints must not get into an answer in JSON
    os.chdir(folder)
    sys.path[:] = path
    importing.forget_project_modules()


def start_processes_by(method: str | None) -> None:
    """Start processes as the parent does, unless a module has said how."""
    if method is not None and multiprocessing.get_start_method(allow_none=True) is None:
        multiprocessing.set_start_method(method)


def _leave_signals_to_parent() -> None:
    """Finish what is under way when a batch system signals all processes of a run.

    What the function starts is signalled as it would be in a plain script: a program does not
    inherit what is handled, and a copy of this process gives it up. But what `nohup` has ignored
    stays ignored.
    """
    interrupting.handle_from_now_on(_do_nothing, interrupting.heard())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def _do_nothing(number: int, frame: FrameType | None) -> None:
    """Handle a signal that is the parent's matter."""
