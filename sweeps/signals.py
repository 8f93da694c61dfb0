"""What Ctrl-C, SIGTERM and SIGHUP mean to a run, the first time and the second.

They mean it to the run alone. A copy of this process that a point makes (`os.fork`, a
`multiprocessing.Pool`) has them as they were before, from its first instruction on.
"""

from __future__ import annotations

import _thread
import itertools
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""From a keyboard, a batch system, and a terminal that was closed."""

PATIENCE_S = 20.0
"""Time to finish points after SIGTERM or SIGHUP: batch systems kill 30 s after them."""

SAME_S = 1.0
"""SIGTERM or SIGHUP again within this time is the same one: a batch system sends it to all
processes of a job, and the job's shell, which does not know that, passes it on."""

LAST_S = 3.0
"""From the second signal until a process that does not end is ended."""

Handler = Callable[[int, FrameType | None], Any]

_handled: list[tuple[int, Handler, Any]] = []
"""Signals that are handled for a run, the latest last: by what, and what handled them before."""

_forking = threading.local()

_MOMENT_S = 0.005


class Interrupted(BaseException):
    """Raised by the second signal; a BaseException, so that no handler of errors swallows it."""


class Interruption:
    """Whether a run was asked to end, and whom to tell."""

    def __init__(self) -> None:
        self.is_asked = False
        self._tell: Callable[[], None] | None = None

    def tell(self, callback: Callable[[], None]) -> None:
        """Have `callback` called by the first signal, or now if that came already."""
        self._tell = callback
        if self.is_asked:
            callback()

    def ask(self) -> None:
        """Ask the run to end."""
        self.is_asked = True
        if self._tell is not None:
            self._tell()


@contextmanager
def interruptible(at_last: Callable[[], object] | None = None) -> Iterator[Interruption]:
    """Let the first signal ask to end, and raise `Interrupted` at the second.

    A first one that is not from a keyboard counts as the second, too, when `PATIENCE_S` are over;
    what follows it within `SAME_S` is the same one.
    One that is ignored stays ignored: `nohup` does that, and a shell to what it starts with `&`.
    Outside the main thread, where Python handles no signals, nothing changes.

    Parameters
    ----------
    at_last : callable, optional
        Called if this process is there still `LAST_S` after the second signal: a point may handle
        `Interrupted`, or leave behind what Python waits for when it exits.
    """
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return

    n_before, over = itertools.count(), threading.Event()
    heard_s: dict[int, float] = {}

    def handle(number: int, frame: FrameType | None) -> None:
        now_s = time.monotonic()
        if 0 < now_s - heard_s.setdefault(number, now_s) < SAME_S and number != signal.SIGINT:
            return
        # Counted in one step: a handler may be called while that of another signal is at its start.
        n = next(n_before)
        if n == 1 and at_last is not None:
            _thread.start_new_thread(_call_later, (at_last,))
        if n:
            raise Interrupted
        if number != signal.SIGINT:
            _thread.start_new_thread(_insist, (number, over))
        interruption.ask()

    with _handled_by(handle, heard()):
        try:
            yield interruption
        finally:
            over.set()


def _insist(number: int, over: threading.Event) -> None:
    if not over.wait(PATIENCE_S):
        os.kill(os.getpid(), number)


def _call_later(at_last: Callable[[], object]) -> None:
    time.sleep(LAST_S)
    at_last()


@contextmanager
def interruptible_at_once() -> Iterator[None]:
    """Let Ctrl-C raise `Interrupted`, which no point can have raised itself."""

    def handle(number: int, frame: FrameType | None) -> None:
        raise Interrupted

    with _handled_by(handle):
        yield


@contextmanager
def interruptible_as_usual() -> Iterator[None]:
    """Let Ctrl-C raise `KeyboardInterrupt`, which debuggers know."""
    with _handled_by(signal.default_int_handler):
        yield


def heard() -> list[int]:
    """Those of the signals that are not ignored here, nor handled by another language's runtime."""
    return [number for number in SIGNALS if signal.getsignal(number) not in (signal.SIG_IGN, None)]


def handle_from_now_on(handle: Handler, numbers: Iterable[int]) -> None:
    """Handle signals; copies of this process have them as they were."""
    _handled.extend((number, handle, signal.signal(number, handle)) for number in numbers)


@contextmanager
def _handled_by(handle: Handler, numbers: Iterable[int] = (signal.SIGINT,)) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    n_before = len(_handled)
    handle_from_now_on(handle, numbers)
    try:
        yield
    finally:
        for number, _, earlier in reversed(_handled[n_before:]):
            signal.signal(number, earlier)
        del _handled[n_before:]


def _hold_back() -> None:
    """Hold signals back while this process is copied: the copy must not handle them as we do."""
    _forking.held = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS) if _handled else None


def _let_through() -> None:
    if _forking.held is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, _forking.held)


def _forget_in_copy() -> None:
    """Restore the handlers from before the run in a copy of this process."""
    for number, handle, earlier in reversed(_handled):
        if signal.getsignal(number) is handle:
            signal.signal(number, earlier)
    _handled.clear()
    if _forking.held is not None:
        _raise_later({number for number in SIGNALS if callable(signal.getsignal(number))})
    _let_through()


def _raise_later(numbers: set[int]) -> None:
    """Have signals that wait for this copy handled in a moment: Python drops what is raised now."""
    for number in numbers & signal.sigpending():
        signal.sigwait({number})
        _thread.start_new_thread(_send, (number,))


def _send(number: int) -> None:
    # Twice: from the first one this thread may come back just as the other one is about to wait
    # for something, and a signal before it waits would not wake it.
    time.sleep(_MOMENT_S)
    time.sleep(_MOMENT_S)
    os.kill(os.getpid(), number)


os.register_at_fork(before=_hold_back, after_in_parent=_let_through, after_in_child=_forget_in_copy)


def is_alive(pid: int) -> bool:
    """Whether a process is there, be it another user's."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True
