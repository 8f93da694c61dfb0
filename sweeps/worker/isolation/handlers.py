"""Handlers, timers and masks of a process, as a setting that can be undone."""

from __future__ import annotations

import importlib
import operator
import signal
import threading
from collections.abc import Iterable
from typing import Any

# What `signal` has makes enums of numbers, which takes 20 times as long.
_FAST = importlib.import_module("_signal")

_TIMERS = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)

_N_SIGNALS = 32  # behind them are those of real time, which nothing uses by itself

# Nobody can handle the first two; faulthandler has handlers of its own for the others.
_OTHERS = frozenset({
    *(signal.SIGKILL, signal.SIGSTOP),
    *(signal.SIGSEGV, signal.SIGFPE, signal.SIGABRT, signal.SIGBUS, signal.SIGILL),
})  # fmt: skip


class Signals:
    """How signals are handled, which are blocked, and which timers run.

    Only the main thread can set a handler: in others nothing is looked at.

    Parameters
    ----------
    left : iterable of int
        Signals whose handlers are somebody else's matter.
    """

    name, is_told = "signals", False

    def __init__(self, left: Iterable[int] = ()) -> None:
        numbers = signal.valid_signals() - _OTHERS - {*left}
        self._numbers = sorted(int(number) for number in numbers if number < _N_SIGNALS)
        self._left = frozenset(left)

    def save(self) -> tuple[list[Any], set[int], list[bool]]:
        """Take note of what it is now."""
        return (
            list(map(_FAST.getsignal, self._numbers)),
            _FAST.pthread_sigmask(signal.SIG_BLOCK, ()),
            [_FAST.getitimer(timer)[0] > 0 for timer in _TIMERS],
        )

    def is_same(self, saved: Any) -> bool:
        """Whether it is what it was; a timer that was running may have ended."""
        if threading.current_thread() is not threading.main_thread():
            return True
        handlers, blocked, running = self.save()
        return (
            all(map(operator.is_, handlers, saved[0]))
            and blocked == saved[1]
            and all(map(operator.le, running, saved[2]))
        )

    def restore(self, saved: Any) -> None:
        """Make it what it was, and drop what waits behind a mask that goes."""
        handlers, blocked, running = saved
        for timer, was_running in zip(_TIMERS, running, strict=True):
            if not was_running:
                signal.setitimer(timer, 0)
        masked = _FAST.pthread_sigmask(signal.SIG_BLOCK, ()) - blocked
        for number in (masked & {*signal.sigpending()} & {*self._numbers}) - self._left:
            signal.signal(number, signal.SIG_IGN)
        for number, handler in zip(self._numbers, handlers, strict=True):
            if handler is not None and _FAST.getsignal(number) is not handler:
                signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
