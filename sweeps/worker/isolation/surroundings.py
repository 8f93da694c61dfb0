"""What a function may change of its process: signals, shared random numbers, limits, settings.

Points do not see what earlier points changed. The random states that all of a process shares, those
of `random` and of ``numpy.random.rand`` and its like, follow from the key of the point. Without
that, a point that draws without a seed of its own would draw what earlier points have left.
"""

from __future__ import annotations

import contextlib
import contextvars
import ctypes
import functools
import importlib
import operator
import os
import random
import resource
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn

import numpy as np

from sweeps.signals import SIGNALS
from sweeps.worker.isolation import undo

# The others do not hinder what comes later.
_LIMITS = (
    *(resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE, resource.RLIMIT_AS, resource.RLIMIT_DATA),
    *(resource.RLIMIT_STACK, resource.RLIMIT_CORE, resource.RLIMIT_CPU, resource.RLIMIT_NPROC),
)

# What `signal` has makes enums of numbers, which takes 20 times as long.
_FAST = importlib.import_module("_signal")

_TIMERS = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)

_N_SIGNALS = 32  # behind them are those of real time, which nothing uses by itself

# Nobody can handle the first two; faulthandler has handlers of its own for the others.
_OTHERS = frozenset({
    *(signal.SIGKILL, signal.SIGSTOP),
    *(signal.SIGSEGV, signal.SIGFPE, signal.SIGABRT, signal.SIGBUS, signal.SIGILL),
})  # fmt: skip

_N_WORDS = 624  # of a Mersenne twister, beside its place in them

_BOTH = ctypes.c_uint64

_TAG = 1 << 128

_SOME = 256


_under_way: list[Surroundings] = []
"""Those of each block that is under way in this process, whichever run it is of."""

_changing = threading.RLock()  # which blocks are under way, and the shared random states by us

_here = contextvars.ContextVar["Surroundings | None"]("surroundings of a point", default=None)


class SpoiledError(Exception):
    """A process that no other point may be computed in."""


class Surroundings:
    """What a function may change of its process, as it is now; points are not to see it changed.

    Parameters
    ----------
    memory_bytes : int, optional
        Limit to the memory of a worker process.
    is_worker : bool
        Whether the process is for points only, so that its limits are ours.
    is_random : bool
        Whether code mentions random numbers.

    Attributes
    ----------
    random : GlobalRandom
    n_looked : int
        How often it has looked at what points did.
    shared : set of str
        What points changed while others were under way in the same process.
    is_shared : bool
        Whether other blocks were under way in this process since the last one began, as threads
        have them: of one run, or of several.
    """

    def __init__(
        self, memory_bytes: int | None = None, *, is_worker: bool = True, is_random: bool = False
    ) -> None:
        self.memory_bytes = memory_bytes
        self.random = GlobalRandom(is_expected=is_random)
        self.n_looked = 0
        self.shared: set[str] = set()
        self._state = undo.State(Signals(() if is_worker else SIGNALS))
        self._is_worker = is_worker
        self._limits = {which: resource.getrlimit(which) for which in _LIMITS}
        self._n_blocks = 0
        around = _here.get()  # ours is a run that a point makes
        self._around: tuple[Surroundings, ...] = (around, *around._around) if around else ()
        self.is_shared = False

    def _beside(self) -> list[Surroundings]:
        """List those of blocks that other threads have under way, and that ours is not a part of.

        A run that a point makes is a part of that point: the point waits for it.
        """
        others = (each for each in _under_way if each not in self._around)
        return [each for each in others if self not in each._around]

    @property
    def is_steady(self) -> bool:
        """Whether points were found to change nothing, so far."""
        return not (self._state.restless or self.random.is_used)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep what belongs to the caller while a block is under way."""
        self._begin_block()
        token = _here.set(self)
        try:
            yield
        finally:
            _here.reset(token)
            self._end_block()

    def _begin_block(self) -> None:
        with _changing:
            beside = self._beside()
            self.is_shared = bool(beside)
            for each in beside:
                each.is_shared = True
            if not (self._n_blocks or self._is_worker):
                self._state.save_streams()  # a progress bar may have come meanwhile
                self.random.save(beside[0].random if beside else None)
            self._n_blocks += 1
            _under_way.append(self)
            self.random.is_touched()  # by others than points

    def _end_block(self) -> None:
        with _changing:
            self._n_blocks -= 1
            _under_way.remove(self)
            if not (self._n_blocks or self._is_worker or self._beside()):
                self.random.restore()

    def seed(self, key: tuple[int, int]) -> None:
        """Seed the shared random states by the key of a point, unless they are others' as well."""
        with _changing:
            if not self.is_shared:
                self.random.seed(key)

    def has_drawn(self) -> bool:
        """Whether points were found to draw shared random numbers, or to seed them, only now."""
        if self.random.is_used or not self.random.is_touched():
            return False
        if self.is_shared:
            self.shared.add("random numbers")
            return False
        self.random.is_used = True
        return True

    def restore(self, *, is_quick: bool = False) -> bool:
        """Undo what a point did to its process, and say whether it is the first that did so.

        Parameters
        ----------
        is_quick : bool
            Look only at settings that were found changed before.
        """
        try:
            if self._is_worker and not is_quick:
                for which, limit in self._limits.items():
                    if resource.getrlimit(which) != limit:
                        resource.setrlimit(which, limit)
            before = frozenset(self._state.restless)
            is_ours = self._is_worker or self._n_blocks > 0  # else they may be diverted
            changed = self._state.restore(is_quick=is_quick, with_streams=is_ours)
        except (OSError, ValueError) as error:
            raise SpoiledError(f"its process cannot continue: {error}") from error
        self.n_looked += not is_quick
        if self.is_shared:
            changed -= undo.OF_READING
            self.shared |= changed - undo.OF_THREADS
        return not changed <= before


def end_copy(error: BaseException | None = None) -> NoReturn:
    """End this process, a copy that a function made and came back from, as a script would end.

    `error` is what the function has raised in it.
    """
    code = 0
    if isinstance(error, SystemExit) and (error.code is None or isinstance(error.code, int)):
        code = error.code or 0
    elif error is not None:
        code = 1
        with contextlib.suppress(BaseException):
            if isinstance(error, SystemExit):
                print(error.code, file=sys.stderr)
            else:
                sys.excepthook(type(error), error, error.__traceback__)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(BaseException):
            stream.flush()
    if isinstance(error, KeyboardInterrupt):
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(code & 0xFF)


# ---- signals


class Signals(undo.Setting):
    """How signals are handled, which are blocked, and which timers run.

    Only the main thread can set a handler: in others nothing is looked at. Others set and restore
    the handlers of the signals `left`.
    """

    def __init__(self, left: Iterable[int] = ()) -> None:
        super().__init__("signals", self._save, self._restore)
        numbers = signal.valid_signals() - _OTHERS - {*left}
        self._numbers = sorted(int(number) for number in numbers if number < _N_SIGNALS)
        self._left = frozenset(left)

    def _save(self) -> tuple[list[Any], set[int], list[bool]]:
        return (
            list(map(_FAST.getsignal, self._numbers)),
            _FAST.pthread_sigmask(signal.SIG_BLOCK, ()),
            [_FAST.getitimer(timer)[0] > 0 for timer in _TIMERS],
        )

    def is_same(self, saved: Any) -> bool:
        """Whether it is what it was; a timer that was running may have ended."""
        if threading.current_thread() is not threading.main_thread():
            return True
        handlers, blocked, running = self._save()
        return (
            all(map(operator.is_, handlers, saved[0]))
            and blocked == saved[1]
            and all(map(operator.le, running, saved[2]))
        )

    def _restore(self, saved: Any) -> None:
        """Drop what waits behind a mask that goes, too."""
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


# ---- random numbers


def keys_by_place(keys: Callable[[Any], Any], at: Any) -> Callable[[int], tuple[int, int]]:
    """Make what gives the key of a point by its place among `at`; some are made at a time."""

    @functools.lru_cache(maxsize=1)
    def some(start: int) -> list[tuple[int, int]]:
        return [(first, second) for first, second in keys(at[start : start + _SOME]).tolist()]

    return lambda i: some(i - i % _SOME)[i % _SOME]


class GlobalRandom:
    """The random states that are shared, and whether points draw from them.

    Parameters
    ----------
    is_expected : bool
        Whether code mentions random numbers, so that numpy's state is to be there from the start.

    Attributes
    ----------
    is_used : bool
        Whether a point was found to draw from them, or to seed them.
    """

    def __init__(self, *, is_expected: bool) -> None:
        self.is_used = False
        if is_expected:
            import numpy.random  # noqa: F401 - numpy loads it when it is first asked for
        self._python = random.seed.__self__  # type: ignore[attr-defined]
        self._peek_python = _peek_python(self._python)
        self._peek_numpy: Callable[[], Any] | None = None
        self._saved: tuple[Any, Any] = (None, None)
        self._mark = self._look()

    def _look(self) -> tuple[Any, Any]:
        """What is another after each draw and each seed: a place among the words, and a word."""
        if self._peek_numpy is None and (loaded := sys.modules.get("numpy.random.mtrand")):
            self._peek_numpy = _peek_numpy(loaded._rand)
        return self._peek_python(), self._peek_numpy and self._peek_numpy()

    def seed(self, key: tuple[int, int]) -> None:
        """Seed by the key of a point."""
        first, second = key
        self._python.seed(_TAG | second << 64 | first)
        if self._peek_numpy is not None:
            words = (first & 0xFFFFFFFF, first >> 32, second & 0xFFFFFFFF, second >> 32)
            np.random.mtrand._rand.seed(words)
        self._mark = self._look()

    def is_touched(self) -> bool:
        """Whether any code has drawn or seeded since the last call of this or of `seed`."""
        now = self._look()
        is_touched = now != self._mark
        self._mark = now
        return is_touched

    def save(self, beside: GlobalRandom | None = None) -> None:
        """Keep the states, for `restore`: as they are, or were before others `beside` began."""
        if beside is not None:
            self._saved = beside._saved
            return
        mtrand = sys.modules.get("numpy.random.mtrand")
        of_numpy = None if mtrand is None else mtrand._rand.get_state()
        self._saved = self._python.getstate(), of_numpy

    def restore(self) -> None:
        """Make the states what they were, so that who called us draws on as if we had not been."""
        of_python, of_numpy = self._saved
        self._python.setstate(of_python)
        if of_numpy is not None:
            np.random.set_state(of_numpy)


def _peek_python(state: random.Random) -> Callable[[], Any]:
    """Make what looks at a state in 0.1 us, where `getstate` takes 10."""
    word = _BOTH.from_address(id(state) + object.__basicsize__)
    _, words, _ = state.getstate()
    if word.value == words[_N_WORDS] | words[0] << 32:
        return lambda: word.value
    return lambda: hash(state.getstate())  # another Python than we know


def _peek_numpy(state: Any) -> Callable[[], Any]:
    kind, words, place, *_ = state.get_state()
    if kind == "MT19937":
        address = state._bit_generator.ctypes.state_address
        word = _BOTH.from_address(address + 4 * (_N_WORDS - 1))
        if word.value == int(words[-1]) | place << 32:
            return lambda: word.value
    return lambda: str(state.get_state())
