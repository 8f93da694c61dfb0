"""Random numbers of the states that all of a process shares follow from the point's key.

These are the states of `random` and of ``numpy.random.rand`` and its like. A point that draws from
them without a seed of its own would draw what is left of the points before.
"""

from __future__ import annotations

import ctypes
import functools
import random
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

_N_WORDS = 624  # of a Mersenne twister, beside its place in them

_BOTH = ctypes.c_uint64

_TAG = 1 << 128

_SOME = 256


def by_place(keys: Callable[[Any], Any], at: Any) -> Callable[[int], tuple[int, int]]:
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
        """Whether somebody has drawn or seeded since this or `seed` was called."""
        now = self._look()
        is_touched = now != self._mark
        self._mark = now
        return is_touched

    def save(self) -> None:
        """Take note of the states, for `restore`."""
        mtrand = sys.modules.get("numpy.random.mtrand")
        of_numpy = None if mtrand is None else mtrand._rand.get_state()
        self._saved: tuple[Any, Any] = self._python.getstate(), of_numpy

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
