"""Interrupting: what Ctrl-C and SIGTERM mean to a run, the first time and the second."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(BaseException):
    """Raised by the second signal; no point's failure, and nothing to be handled on the way out."""


@contextmanager
def interruptible(on_first: Callable[[], None]) -> Iterator[None]:
    """Call `on_first` at the first signal and raise `Interrupted` at the second.

    Outside the main thread, where Python handles no signals, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    n_signals = 0

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal n_signals
        n_signals += 1
        if n_signals > 1:
            raise Interrupted
        on_first()

    before = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
