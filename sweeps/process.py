"""What makes a process a worker: it ends with its parent, and sees what its parent sees."""

from __future__ import annotations

import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Sequence
from types import FrameType

from sweeps import importing
from sweeps.interrupting import SIGNALS

_PARENT_CHECK_S = 0.5
_HANDLED = (signal.SIGALRM, *SIGNALS)
# Of those the others either do not hinder what comes later, or end the process.
_LIMITS = (resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE, resource.RLIMIT_AS, resource.RLIMIT_DATA)
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


class SpoiledError(Exception):
    """A process that no other point may be computed in."""


def end_with(parent: int, is_lasting: bool) -> None:
    """End this process soon after its parent, even if that was killed.

    On Linux the kernel does it, also while C code holds the interpreter; but its signal follows
    the thread that started us. Elsewhere, and where that thread is a passing one, a thread looks.

    Parameters
    ----------
    parent : int
        Process that started this one.
    is_lasting : bool
        Whether the thread that did it is there for as long as its process.
    """
    if sys.platform == "linux" and is_lasting:
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before we could ask for that
        os._exit(1)

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(_PARENT_CHECK_S)
        os._exit(1)

    threading.Thread(target=look, daemon=True, name="sweeps-parent-watch").start()


class Surroundings:
    """What a function may change of its process, as it is now; points are not to see it changed.

    Attributes
    ----------
    memory_bytes : int, optional
        Its limit.
    """

    def __init__(self, memory_bytes: int | None = None) -> None:
        self.memory_bytes = memory_bytes
        self._pid, self._folder, self._path = os.getpid(), os.getcwd(), list(sys.path)  # noqa: PTH109
        self._depth = sys.getrecursionlimit()
        self._umask = os.umask(0)
        os.umask(self._umask)
        self._handlers = {number: signal.getsignal(number) for number in _HANDLED}
        self._limits = {which: resource.getrlimit(which) for which in _LIMITS}

    def end_copy(self) -> None:
        """End this process if it is a copy that the function made, and came back from."""
        if os.getpid() != self._pid:
            os._exit(0)

    def restore(self) -> None:
        """Undo what a point did to its process.

        Raises
        ------
        SpoiledError
            Where it cannot be undone.
        """
        self.end_copy()
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
    _leave_signals_to_parent()
    os.dup2(2, 1)  # what a function prints must not get into an answer in JSON
    os.chdir(folder)
    sys.path[:] = path
    importing.forget_project_modules()


def _leave_signals_to_parent() -> None:
    """Finish what is under way when a terminal or a batch system signals the whole group.

    SIGINT is ignored, which programs that the function starts inherit, so that Ctrl-C does not
    break them. The others are handled, which they do not inherit: the function may want to end
    them; but what `nohup` has ignored stays ignored.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ends = {number for number in SIGNALS if number != signal.SIGINT}
    for number in ends:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _do_nothing)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ends)


def _do_nothing(number: int, frame: FrameType | None) -> None:
    """Handle a signal that is the parent's matter."""
