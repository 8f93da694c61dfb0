"""What is done before a command imports anything, so that it is over soon."""

from __future__ import annotations

import contextlib
import gc
import os
import platform
import sys
from collections.abc import Iterator, Sequence

from sweeps import ahead

_SPIN = "OPENBLAS_THREAD_TIMEOUT"

_SHORT_SPIN = "20"  # 2^20 ticks, 0.5 ms

_ELSEWHERE = ("--engine", "--results", "--experiments", "--output", "--help", "-h", "-o")
"""Options with which the words of a command do not say enough."""


@contextlib.contextmanager
def importing(arguments: Sequence[str]) -> Iterator[None]:
    """Hold while the command line is imported: a worker imports, too, if one is to be expected.

    OpenBLAS has a thread for each core, which spins for 50 ms when numpy is imported. It would
    take the core of the worker, so it sleeps sooner; the environment of points says nothing of it.
    h5py asks for the machine, for whose processor Python would start a program: `uname -p`.
    """
    _open_standard_streams()
    if computes(arguments):
        ahead.start()
    is_ours = _SPIN not in os.environ
    os.environ.setdefault(_SPIN, _SHORT_SPIN)
    machine = vars(platform.uname())
    machine["processor"] = ""
    gc.disable()  # it would look at all that is imported again and again, and free nothing
    try:
        yield
    finally:
        gc.enable()
        del machine["processor"]  # whoever asks for it later is told
        if is_ours:
            del os.environ[_SPIN]


def computes(arguments: Sequence[str]) -> bool:
    """Guess from its words whether a command will compute points in processes of its own.

    A first run has no results file. If the guess is wrong, a process has been started in vain, or
    is started later.
    """
    if len(arguments) < 2 or arguments[0] != "run":
        return False
    name, options = arguments[1], arguments[1:]
    is_plain = not any(each.startswith(_ELSEWHERE) for each in options)
    is_plain = is_plain and "SWEEPS_RESULTS" not in os.environ
    return is_plain and not os.path.exists(f"results/{name}.h5")  # noqa: PTH110


def _open_standard_streams() -> None:
    """Open stdin, stdout and stderr if they are closed, and let stdout take all characters.

    Python sets a closed one (`>&-`) to None, which joblib does not expect. Its file number would
    go to the next file that is opened, and other programs would print into that file.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = open(os.devnull, mode)  # noqa: PTH123, SIM115
            os.set_inheritable(stream.fileno(), True)
            setattr(sys, name, stream)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # as stderr has by itself
