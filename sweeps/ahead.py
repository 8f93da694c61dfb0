"""An interpreter that is started before it is known what for, so that it is ready by then.

To start Python and to import numpy, h5py and what workers are made of takes 0.2 s. A process that
is started at once does that while this one imports, too, and finds out what is to be computed. Then
it is given a command, ``python -m MODULE ...``, with open files, and goes on as that would.
"""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import fcntl
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence

from sweeps.signals import SIGNALS

_LOKY, _WORKER = "sweeps.engines.lean", ("argparse", "sweeps.engines.guard", "sweeps.worker.job")
"""Modules that every worker imports, on floors that this one knows nothing of."""

_BEGIN = "import sys; sys.path[:] = {path}; from sweeps import ahead; ahead.wait({number})"

_NAME = "LokyProcess-ahead"  # for people who list processes

_ONE_THREAD = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"),
    *("VECLIB_MAXIMUM_THREADS", "NUMBA_NUM_THREADS", "NUMEXPR_NUM_THREADS"),
)
"""What joblib tells a worker that has a core of its own; most have."""

_OF_IMPORTS = frozenset({"KMP_INIT_AT_FORK", "KMP_DUPLICATE_LIB_OK"})
"""Variables that joblib and threadpoolctl set when they are imported, here as there."""

_MAX_BYTES, _MAX_FILES = 2**16, 200


@dataclasses.dataclass(frozen=True)
class _Interpreter:
    pid: int
    orders: socket.socket
    environment: Mapping[str, str]
    owner: int  # the process that started it, of which this one may be a copy


_waiting: list[_Interpreter] = []
"""At most one."""


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


def start() -> None:
    """Start an interpreter that gets ready and waits, if none does."""
    if pid() is not None:
        return
    threads = {name: os.environ.get(name, "1") for name in _ONE_THREAD}
    environment = {"ENABLE_IPC": "1", **os.environ, **threads, **flags()}
    own, other = socket.socketpair()
    code = _BEGIN.format(path=sys.path, number=other.fileno())
    # Ctrl-C and the like are this process's to handle, from the first moment on.
    held = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", code, _NAME], env=environment, pass_fds=[other.fileno()]
        )
    except OSError:  # who needs workers finds out what is missing
        own.close()
        return
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
        other.close()
    process.returncode = 0  # who adopts it waits for its end
    _waiting[:] = [_Interpreter(process.pid, own, environment, os.getpid())]
    atexit.register(discard)


def pid() -> int | None:
    """Return the number of the process that waits; None if none does."""
    return next((each.pid for each in _waiting if each.owner == os.getpid()), None)


def adopt(
    command: Sequence[str], files: Collection[int], environment: Mapping[str, str]
) -> int | None:
    """Have the interpreter that waits go on as a command, and return its number.

    Parameters
    ----------
    command : sequence of str
        ``python -m MODULE ...``
    files : collection of int
        Descriptors of open files, which it has under the same numbers.
    environment : mapping
        Variables that it must have, beside those of this process.

    Returns
    -------
    int or None
        None if none waits that has this environment; from then on, none waits.
    """
    if pid() is None:
        return None
    waiting, wanted = _waiting[0], {**os.environ, **environment}
    python, option, *rest = command
    is_alike = _compared(wanted) == _compared(waiting.environment)
    if is_alike and (python, option) == (sys.executable, "-m"):
        said = json.dumps([rest, sorted(files)]).encode()
        with contextlib.suppress(OSError):  # it may have been killed
            socket.send_fds(waiting.orders, [said], sorted(files))
            waiting.orders.close()
            _waiting.clear()
            return waiting.pid
    discard()
    return None


def _compared(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name not in _OF_IMPORTS}


def discard() -> None:
    """End the interpreter that waits, if one does."""
    if pid() is not None:
        waiting = _waiting[0]
        waiting.orders.close()
        with contextlib.suppress(OSError):
            os.kill(waiting.pid, signal.SIGKILL)
            os.waitpid(waiting.pid, 0)
    _waiting.clear()


# ---- in the interpreter itself


def wait(number: int) -> None:
    """Import, wait for a command, and go on as that; end with the process that would give it."""
    with socket.socket(fileno=number) as orders:
        with contextlib.suppress(Exception):  # who needs what is missing says so
            importlib.import_module(_LOKY).load()
            for each in _WORKER:
                importlib.import_module(each)
        said, received, *_ = socket.recv_fds(orders, _MAX_BYTES, _MAX_FILES)
    if said:
        command, numbers = json.loads(said)
        _renumber(received, numbers)
        sys.argv = command
        runpy.run_module(command[0], run_name="__main__", alter_sys=True)


def _renumber(received: Sequence[int], numbers: Sequence[int]) -> None:
    """Give open files other numbers, which others of them may have now."""
    free = 1 + max([0, *received, *numbers])
    moved = [fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, free) for each in received]
    for each in received:
        os.close(each)
    for each, wanted in zip(moved, numbers, strict=True):
        os.dup2(each, wanted)
        os.close(each)
