"""How a worker process starts: below a guard, with signals left to its parent."""

from __future__ import annotations

import faulthandler
import multiprocessing.util
import os
import signal
import sys
from types import FrameType

from sweeps import signals
from sweeps.engines import guard
from sweeps.signals import SIGNALS

_MAX_ENDING_S = 60  # resources are closed meanwhile

_FIRST = 1000  # of what multiprocessing does as a process ends


def begin(parent: int) -> None:
    """Begin to be a worker, before anything of a run is known.

    Parameters
    ----------
    parent : int
        Process that started this one.
    """
    guard.put_below_guard(parent)
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
    guard.end_descendants()
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(_MAX_ENDING_S)


def flags() -> dict[str, str]:
    """Python's own options, as the environment gives them to processes that are started."""
    given = {
        "PYTHONOPTIMIZE": str(sys.flags.optimize or ""),
        "PYTHONWARNINGS": ",".join(sys.warnoptions),
        "PYTHONDEVMODE": "1" if sys.flags.dev_mode else "",
        "PYTHONUTF8": "1" if sys.flags.utf8_mode else "",
        "PYTHONDONTWRITEBYTECODE": "1" if sys.dont_write_bytecode else "",
    }
    return {name: value for name, value in given.items() if value}


def _leave_signals_to_parent() -> None:
    """Finish what is under way when a batch system signals all processes of a run.

    What the function starts is signalled as it would be in a plain script: a program does not
    inherit what is handled, and a copy of this process gives it up. But what `nohup` has ignored
    stays ignored.
    """
    signals.handle_from_now_on(_do_nothing, signals.heard())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def _do_nothing(number: int, frame: FrameType | None) -> None:
    """Handle a signal that is the parent's matter."""
