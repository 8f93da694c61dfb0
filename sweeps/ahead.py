"""An interpreter that is started before it is known what for, so that it is ready by then.

To start Python and to import numpy, h5py and what workers are made of takes 0.3 s of a core. A
process that is started at once does that while this one imports, too, and finds out what is to be
computed. Then it is given a command, ``python -m MODULE ...``, with open files, and goes on as that
would. It leaves a copy of itself behind, from which `sweeps.siblings` makes further ones.
"""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import fcntl
import functools
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Collection, Mapping, Sequence

from sweeps import siblings
from sweeps.signals import SIGNALS

_LOKY, _WORKER = "sweeps.engines.lean", ("argparse", "sweeps.engines.guard", "sweeps.worker.job")
"""Modules that every worker imports, on floors that this one knows nothing of."""

_BEGIN = "import sys; sys.path[:] = {path}; from sweeps import ahead; ahead.wait(*{numbers})"

_NAME = "LokyProcess-ahead"  # for people who list processes

_ONE_THREAD = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"),
    *("VECLIB_MAXIMUM_THREADS", "NUMBA_NUM_THREADS", "NUMEXPR_NUM_THREADS"),
)
"""What joblib tells a worker that has a core of its own; most have."""

_OF_IMPORTS = frozenset({"KMP_INIT_AT_FORK", "KMP_DUPLICATE_LIB_OK"})
"""Variables that joblib and threadpoolctl set when they are imported, here as there."""

_MAX_BYTES, _MAX_FILES = 2**16, 200


_MAX_COPY_S = 10.0  # of a process that imports still, from a slow disk; or it hangs

_TICK_S, _MAX_WORD_S = 0.1, 0.2


@dataclasses.dataclass(frozen=True)
class _Interpreter:
    pid: int
    orders: socket.socket


@dataclasses.dataclass
class _Started:
    """What this process has started ahead."""

    owner: int  # the process that did, of which this one may be a copy
    environment: Mapping[str, str]
    waiting: list[_Interpreter]
    copies: socket.socket | None  # where it asks for copies of the first one
    is_over: bool = False
    lock: threading.Lock = dataclasses.field(default_factory=threading.Lock)


_started: list[_Started] = []
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
    discard()
    threads = {name: os.environ.get(name, "1") for name in _ONE_THREAD}
    environment = {"ENABLE_IPC": "1", **os.environ, **threads, **flags()}
    orders, its_orders = socket.socketpair()
    copies, its_copies = socket.socketpair()
    numbers = its_orders.fileno(), its_copies.fileno()
    code = _BEGIN.format(path=sys.path, numbers=(*numbers, os.getpid()))
    # Ctrl-C and the like are this process's to handle, from the first moment on.
    held = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", code, _NAME], env=environment, pass_fds=numbers
        )
    except OSError:  # who needs workers finds out what is missing
        orders.close()
        copies.close()
        return
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
        its_orders.close()
        its_copies.close()
    process.returncode = 0  # who adopts it waits for its end
    if sys.platform != "linux":  # where none can be made
        copies.close()
    first = _Interpreter(process.pid, orders)
    _started[:] = [_Started(os.getpid(), environment, [first], copies)]
    _discard_at_exit()


@functools.cache
def _discard_at_exit() -> None:
    atexit.register(discard)


def _own() -> _Started | None:
    return next((each for each in _started if each.owner == os.getpid()), None)


def pid() -> int | None:
    """Return the number of a process that waits; None if none does."""
    own = _own()
    return own.waiting[0].pid if own is not None and own.waiting else None


def copy(n: int) -> None:
    """Have `n` interpreters wait, as far as that which was started can be copied."""
    own = _own()
    if own is not None:
        with own.lock:
            while len(own.waiting) < n and (made := _copy(own)) is not None:
                own.waiting.append(made)


def _copy(own: _Started) -> _Interpreter | None:
    if own.copies is None or own.is_over:
        return None
    with contextlib.suppress(OSError):  # what makes copies may have been killed
        orders, its_orders = socket.socketpair()
        with its_orders:
            socket.send_fds(own.copies, [b"+"], [its_orders.fileno()])
        if said := _word(own, orders):
            return _Interpreter(int(said), orders)
        orders.close()  # with which a copy that comes too late ends
    _end_source(own)
    return None


def _word(own: _Started, orders: socket.socket) -> bytes:
    """Wait for the number of a copy; nothing if none can be made, or this process wants none."""
    orders.settimeout(_TICK_S)
    until = time.monotonic() + _MAX_COPY_S
    while not own.is_over and time.monotonic() < until:
        with contextlib.suppress(TimeoutError):
            said = orders.recv(_MAX_BYTES)
            orders.settimeout(None)
            return said
    return b""


def adopt(
    command: Sequence[str], files: Collection[int], environment: Mapping[str, str]
) -> int | None:
    """Have an interpreter that waits, or a copy, go on as a command, and return its number.

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
        None if there is none that has this environment; from then on, none waits.
    """
    own = _own()
    if own is None:
        return None
    python, option, *rest = command
    is_alike = _compared({**os.environ, **environment}) == _compared(own.environment)
    if is_alike and (python, option) == (sys.executable, "-m"):
        said = json.dumps([rest, sorted(files)]).encode()
        with own.lock:
            while (one := own.waiting.pop(0) if own.waiting else _copy(own)) is not None:
                with one.orders, contextlib.suppress(OSError):  # it may have been killed
                    socket.send_fds(one.orders, [said], sorted(files))
                    return one.pid
                _end(one.pid)
    discard()
    return None


def _compared(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name not in _OF_IMPORTS}


def discard() -> None:
    """End the interpreters that wait, and what makes copies of them."""
    own = _own()
    if own is not None:
        own.is_over = True
        with own.lock:
            for each in own.waiting:
                each.orders.close()
                _end(each.pid)
            own.waiting.clear()
            _end_source(own)
    _started.clear()


def _end_source(own: _Started) -> None:
    """End what makes copies, which said its number when it began; if not, it ends by itself."""
    if own.copies is not None:
        with own.copies as copies, contextlib.suppress(OSError):
            copies.settimeout(_MAX_WORD_S)
            if said := copies.recv(_MAX_BYTES):
                _end(int(said))
    own.copies = None


def _end(pid: int) -> None:
    with contextlib.suppress(OSError):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


# ---- in the interpreter itself


def wait(orders: int, copies: int, parent: int) -> None:
    """Import, wait for a command, and go on as that; end with the process that would give it."""
    with contextlib.suppress(Exception):  # who needs what is missing says so
        importlib.import_module(_LOKY).load()
        for each in _WORKER:
            importlib.import_module(each)
    said, received = _told(orders, copies, parent)
    if said:
        command, numbers = json.loads(said)
        _renumber(received, numbers)
        sys.argv = command
        runpy.run_module(command[0], run_name="__main__", alter_sys=True)


def _told(orders: int, copies: int, parent: int) -> tuple[bytes, list[int]]:
    """Leave a copy behind that makes further ones, and wait, in each of them, for a command."""
    with socket.socket(fileno=orders) as line, socket.socket(fileno=copies) as asked:
        if not siblings.can_be_made() or siblings.make() != 0:
            asked.close()
            return siblings.received(line, parent, _MAX_BYTES, _MAX_FILES)
        line.close()
        with siblings.serve(asked, parent) as own:
            asked.close()
            return siblings.received(own, parent, _MAX_BYTES, _MAX_FILES)


def _renumber(received: Sequence[int], numbers: Sequence[int]) -> None:
    """Give open files other numbers, which others of them may have now."""
    free = 1 + max([0, *received, *numbers])
    moved = [fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, free) for each in received]
    for each in received:
        os.close(each)
    for each, wanted in zip(moved, numbers, strict=True):
        os.dup2(each, wanted)
        os.close(each)
