"""What makes a process a worker: it ends with its parent, and sees what its parent sees."""

from __future__ import annotations

import functools
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from types import FrameType

from sweeps import importing

_PARENT_CHECK_S = 0.5
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def become_worker(parent: int, folder: str, path: Sequence[str]) -> None:
    """Make this process a worker.

    Parameters
    ----------
    parent : int
        Process that it is not to outlive.
    folder : str
        Working directory.
    path : sequence of str
        ``sys.path``.
    """
    _leave_signals_to_parent()
    _end_with(parent)
    os.dup2(2, 1)  # what a function prints must not get into an answer in JSON
    os.chdir(folder)
    sys.path[:] = path
    importing.forget_project_modules()


def _leave_signals_to_parent() -> None:
    """Finish what is under way when a terminal or a batch system signals the whole group.

    SIGINT is ignored, which programs that the function starts inherit, so that Ctrl-C does not
    break them. SIGTERM is handled, which they do not inherit: the function may want to end them.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _do_nothing)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


def _do_nothing(number: int, frame: FrameType | None) -> None:
    """Handle a signal that is the parent's matter."""


@functools.lru_cache(maxsize=1)
def _end_with(parent: int) -> None:
    """End this process soon after its parent, even if that was killed.

    On Linux the kernel does it, also while C code holds the interpreter. A thread looks as well:
    the kernel's signal follows the thread that started us, and there is none elsewhere.
    """
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(_PARENT_CHECK_S)
        os._exit(1)

    threading.Thread(target=look, daemon=True, name="sweeps-parent-watch").start()
