"""Comparing: whether an output of a point is what it was, to the last bit, or how far it is off."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from sweeps.block import Array


@dataclasses.dataclass(frozen=True, eq=False)
class Compared:
    """One output, now and before.

    Attributes
    ----------
    now, stored : numpy.ndarray or None
        None where the point has it only on the other side.
    is_equal : bool
        Whether type, shape and all bits are the same; NaN equals NaN.
    n_differing : int or None
        Values that differ; None where their shapes or kinds do.
    absolute, relative : float or None
        The largest finite differences between numbers, the second in units of the stored value.
    """

    name: str
    now: Array | None
    stored: Array | None
    is_equal: bool
    n_differing: int | None = None
    absolute: float | None = None
    relative: float | None = None


def compare(name: str, now: Array | None, stored: Array | None) -> Compared:
    """Compare an output of now with that of before.

    Examples
    --------
    >>> compare("x", np.array([1.0, np.nan]), np.array([1.0, np.nan])).is_equal
    True
    >>> found = compare("x", np.array([1.0, 3.0]), np.array([1.0, 2.0]))
    >>> found.n_differing, found.absolute, found.relative
    (1, 1.0, 0.5)
    """
    if now is None or stored is None or now.shape != stored.shape:
        return Compared(name, now, stored, is_equal=False)
    is_same_type = (now.dtype.kind, now.dtype.itemsize) == (
        stored.dtype.kind,
        stored.dtype.itemsize,
    )
    are_numbers = now.dtype.kind in "iufc" and stored.dtype.kind in "iufc"
    if not is_same_type and not are_numbers:
        return Compared(name, now, stored, is_equal=False)
    a, b = now.reshape(-1), stored.reshape(-1)
    differs = ~_are_same(a, b) if is_same_type else a != b
    n_differing = int(np.count_nonzero(differs))
    is_equal = is_same_type and not n_differing
    if not n_differing or not are_numbers:
        return Compared(name, now, stored, is_equal, n_differing)
    return Compared(name, now, stored, is_equal, n_differing, *_sizes(a[differs], b[differs]))


def _are_same(a: Array, b: Array) -> npt.NDArray[np.bool_]:
    """Compare the bits of values of one type, of which NaN has many."""
    if a.dtype.kind not in "fc":
        if a.dtype.kind == "M":  # NaT differs from itself
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


def _sizes(now: Array, stored: Array) -> tuple[float | None, float | None]:
    """Largest absolute and relative difference; None where none is finite."""
    if now.dtype.kind in "iu" and stored.dtype.kind in "iu":  # beyond 2^53 floats see none
        now, stored = now.astype(object), stored.astype(object)
    with np.errstate(all="ignore"):
        absolute = np.abs(now - stored).astype(float)
        relative = absolute / np.abs(stored).astype(float)
    return _largest(absolute), _largest(relative)


def _largest(values: Array) -> float | None:
    finite = values[np.isfinite(values)]
    return float(finite.max()) if finite.size else None
