"""Whether values are equal to the last bit, and how much they differ if not."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sweeps.outputs.types import Variable
from sweeps.storage import kinds
from sweeps.storage.hdf5 import Array


@dataclasses.dataclass(frozen=True, eq=False)
class Pair:
    """One output, now and before.

    Attributes
    ----------
    now, stored : numpy.ndarray or None
        None if the point has only the other one.
    is_equal : bool
        Whether type, shape and all bits are the same; NaN equals NaN.
    n_differing : int or None
        Number of values that differ; None if their shapes or kinds differ.
    absolute, relative : float or None
        The largest ``|now - stored|`` of numbers, and the largest ``|now - stored| / |stored|``;
        infinite where one of the two is NaN, or only `stored` is 0.
    """

    name: str
    now: Array | None
    stored: Array | None
    is_equal: bool
    n_differing: int | None = None
    absolute: float | None = None
    relative: float | None = None


def pair(name: str, now: Array | None, stored: Array | None) -> Pair:
    """Compare an output with the stored one.

    Examples
    --------
    >>> pair("x", np.array([1.0, np.nan]), np.array([1.0, np.nan])).is_equal
    True
    >>> found = pair("x", np.array([1.0, 3.0]), np.array([1.0, 2.0]))
    >>> found.n_differing, found.absolute, found.relative
    (1, 1.0, 0.5)
    """
    if now is None or stored is None or now.shape != stored.shape:
        return Pair(name, now, stored, is_equal=False)
    is_same_type = (now.dtype.kind, now.dtype.itemsize) == (
        stored.dtype.kind,
        stored.dtype.itemsize,
    )
    are_numbers = now.dtype.kind in "iufc" and stored.dtype.kind in "iufc"
    if not is_same_type and not are_numbers:
        return Pair(name, now, stored, is_equal=False)
    a, b = now.reshape(-1), stored.reshape(-1)
    differs = ~_are_same(a, b) if is_same_type else a != b
    n_differing = int(np.count_nonzero(differs))
    is_equal = is_same_type and not n_differing
    if not n_differing or not are_numbers:
        return Pair(name, now, stored, is_equal, n_differing)
    return Pair(name, now, stored, is_equal, n_differing, *_sizes(a[differs], b[differs]))


def _are_same(a: Array, b: Array) -> npt.NDArray[np.bool_]:
    """Compare values of one type bit by bit, except that all NaNs are equal."""
    if a.dtype.kind not in "fc":
        if kinds.of(a.dtype).has_nat:  # which differs from itself
            a, b = a.view(np.int64), b.view(np.int64)
        same: npt.NDArray[np.bool_] = np.asarray(a == b, dtype=bool)
        return same
    n_parts = 2 if a.dtype.kind == "c" else 1
    width = a.dtype.itemsize // n_parts
    one, other = (
        np.ascontiguousarray(x, dtype=a.dtype.newbyteorder("=")).view(f"f{width}") for x in (a, b)
    )
    equal = (one.view(f"u{width}") == other.view(f"u{width}")) | (np.isnan(one) & np.isnan(other))
    made: npt.NDArray[np.bool_] = equal.reshape(-1, n_parts).all(axis=1)
    return made


def _sizes(now: Array, stored: Array) -> tuple[float, float]:
    """Largest absolute and relative difference of some numbers."""
    if now.dtype.kind in "iu" and stored.dtype.kind in "iu":  # beyond 2^53 floats see none
        now, stored = now.astype(object), stored.astype(object)
    with np.errstate(all="ignore"):
        absolute = np.abs(now - stored).astype(float)
        relative = np.where(absolute == 0, 0.0, absolute / np.abs(stored).astype(float))
    return _largest(absolute), _largest(relative)


def _largest(numbers: Array) -> float:
    """Largest of some numbers; NaN, where one of two was NaN, counts as infinite."""
    return float(np.where(np.isnan(numbers), np.inf, numbers).max())


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
        Other differences: dtype, shape, an output that is new or gone.
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
        note = "a new output" if then is None else "is no longer returned"
        return Difference(name, n_points, 0, None, None, int(positions[0]), note)
    note = _note(then, now)
    rows = zip(_rows(then, n_points), _rows(now, n_points), strict=True)
    pairs = [pair(name, after, before) for before, after in rows]
    equal = [each.n_differing == 0 for each in pairs]
    if odd := [p for p in pairs if p.n_differing is None and _shape(p.now) != _shape(p.stored)]:
        shapes = f"shape was {_shape(odd[0].stored)} and now {_shape(odd[0].now)}"
        note = "; ".join(filter(None, [note, shapes]))
    numbers = [i for i, each in enumerate(pairs) if each.absolute is not None]
    worst = max(numbers, key=lambda i: pairs[i].absolute or 0.0, default=None)
    at = equal.index(False) if worst is None and False in equal else worst
    has_numbers = bool(numbers) or (then.values.dtype.kind in "iufc" and all(equal))
    return Difference(
        name,
        n_points,
        sum(equal),
        max((p.absolute or 0.0 for p in pairs), default=0.0) if has_numbers else None,
        max((p.relative or 0.0 for p in pairs), default=0.0) if has_numbers else None,
        None if at is None else int(positions[at]),
        note,
    )


def merged(found: Sequence[Difference]) -> Difference:
    """Combine the differences of one output at different points."""
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
    """Describe differences besides values: type, names of dimensions, attributes such as units."""
    pairs = (
        ("dtype", then.values.dtype, now.values.dtype),
        ("dimensions", then.dims, now.dims),
        ("attributes", dict(then.attrs), dict(now.attrs)),
    )
    return "; ".join(f"{what} was {a} and now {b}" for what, a, b in pairs if repr(a) != repr(b))


def _rows(variable: Variable, n_points: int) -> list[Array]:
    """Values of each point."""
    if variable.counts is None:
        return [np.asarray(variable.values[i]) for i in range(n_points)]
    return np.split(variable.values, np.cumsum(variable.counts)[:-1])


def _shape(array: Array | None) -> tuple[int, ...]:
    return () if array is None else array.shape
