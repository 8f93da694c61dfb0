"""Interrupting: what Ctrl-C, SIGTERM and SIGHUP mean to a run, the first time and the second."""

from __future__ import annotations

import itertools
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""From a keyboard, a batch system, and a terminal that was closed."""


class Interrupted(BaseException):
    """Raised by the second signal; no point's failure, and nothing to be handled on the way out."""


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
def interruptible() -> Iterator[Interruption]:
    """Let the first signal ask to end, and raise `Interrupted` at the second.

    One that is ignored stays ignored: `nohup` does that, and a shell to what it starts with `&`.
    Outside the main thread, where Python handles no signals, nothing changes.
    """
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return

    n_before = itertools.count()

    def handle(number: int, frame: FrameType | None) -> None:
        # Counted in one step: a handler may be called while that of another signal is at its start.
        if next(n_before):
            raise Interrupted
        interruption.ask()

    heard = [number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, handle) for number in heard}
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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


@contextmanager
def _handled_by(handle: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
