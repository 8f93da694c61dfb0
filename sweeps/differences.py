"""Differences: how far the values of one output are apart, point by point."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sweeps.block import Array, Variable


@dataclasses.dataclass(frozen=True)
class Difference:
    """How the values of one output differ between two versions of the code.

    Attributes
    ----------
    points : int
        Points that were compared.
    equal : int
        Points at which all values are equal and of one shape; NaN equals NaN.
    absolute, relative : float or None
        The largest ``|now - then|``, and the largest ``|now - then| / |then|``; infinite where
        only one is NaN, or `then` is 0. None where nothing is a number, or no shapes agree.
    at : int or None
        Position of the point with the largest absolute difference, or else of the first that
        differs.
    note : str
        What no number says: another dtype or shape, an output that is new or gone.
    """

    name: str
    points: int
    equal: int
    absolute: float | None
    relative: float | None
    at: int | None
    note: str = ""

    @property
    def is_exact(self) -> bool:
        """Whether nothing differs."""
        return self.equal == self.points and not self.note


def of_variable(
    name: str, then: Variable | None, now: Variable | None, positions: npt.NDArray[np.int64]
) -> Difference:
    """Compare the values of an output at some points, which stand in the same order in both.

    Examples
    --------
    >>> then, now = (Variable("x", np.array([2.0, last])) for last in (4.0, 5.0))
    >>> of_variable("x", then, now, np.array([7, 9]))
    Difference(name='x', points=2, equal=1, absolute=1.0, relative=0.25, at=9, note='')
    """
    n_points = len(positions)
    if then is None or now is None:
        note = "a new output" if then is None else "is not returned any more"
        return Difference(name, n_points, 0, None, None, int(positions[0]), note)
    note = _note(then, now)
    pairs = list(zip(_rows(then, n_points), _rows(now, n_points), strict=True))
    apart = [_apart(a, b) if a.shape == b.shape else None for a, b in pairs]
    equal = [each is not None and each[0] for each in apart]
    if any(each is None for each in apart):
        odd = next(i for i, each in enumerate(apart) if each is None)
        shapes = " and now ".join(str(each.shape) for each in pairs[odd])
        note = "; ".join(filter(None, [note, f"shape was {shapes}"]))
    numbers = [(i, each) for i, each in enumerate(apart) if each and each[1] is not None]
    worst = max(numbers, key=lambda pair: pair[1][1] or 0.0, default=None)
    first = equal.index(False) if False in equal else None
    at = worst[0] if worst is not None and worst[1][1] else first
    return Difference(
        name,
        n_points,
        sum(equal),
        max((each[1] or 0.0 for _, each in numbers), default=None),
        max((each[2] or 0.0 for _, each in numbers), default=None),
        None if at is None else int(positions[at]),
        note,
    )


def merged(found: Sequence[Difference]) -> Difference:
    """Put together what was found of one output at different points."""
    numbers = [each for each in found if each.absolute is not None]
    worst = max(numbers, key=lambda each: each.absolute or 0.0, default=None)
    unequal = [each for each in found if not each.is_exact]
    chosen = worst if worst is not None and worst.absolute else next(iter(unequal), None)
    return Difference(
        found[0].name,
        sum(each.points for each in found),
        sum(each.equal for each in found),
        max((each.absolute or 0.0 for each in numbers), default=None),
        max((each.relative or 0.0 for each in numbers), default=None),
        None if chosen is None else chosen.at,
        "; ".join(dict.fromkeys(each.note for each in found if each.note)),
    )


def _note(then: Variable, now: Variable) -> str:
    before, after = then.values.dtype, now.values.dtype
    return "" if before == after else f"dtype was {before} and now {after}"


def _rows(variable: Variable, n_points: int) -> list[Array]:
    """Values of each point."""
    if variable.counts is None:
        return [np.asarray(variable.values[i]) for i in range(n_points)]
    return np.split(variable.values, np.cumsum(variable.counts)[:-1])


_Apart = tuple[bool, float | None, float | None]
"""Whether all are equal; the largest absolute and relative difference of numbers."""


def _apart(then: Array, now: Array) -> _Apart:
    """Compare two arrays of one shape."""
    if not {then.dtype.kind, now.dtype.kind} <= set("iufc"):
        same = then.dtype.kind == now.dtype.kind and _is_equal(then, now)
        return same, None, None
    # 64 bits of mantissa where the machine has them, so that integers stay exact.
    wide = np.clongdouble if "c" in (then.dtype.kind, now.dtype.kind) else np.longdouble
    with np.errstate(all="ignore"):
        a, b = then.astype(wide), now.astype(wide)
        is_equal = (a == b) | (np.isnan(a) & np.isnan(b))
        apart = np.where(is_equal, 0, np.abs(b - a))
        ratio = np.where(is_equal, 0, apart / np.abs(a))
    return bool(is_equal.all()), _largest(apart), _largest(ratio)


def _is_equal(then: Array, now: Array) -> bool:
    is_nothing = (then != then) & (now != now)
    return bool(((then == now) | is_nothing).all())


def _largest(numbers: Array) -> float:
    """Largest of some numbers; NaN, where one of two was NaN, counts as infinite."""
    if not numbers.size:
        return 0.0
    return float(np.where(np.isnan(numbers), np.inf, numbers).max())
