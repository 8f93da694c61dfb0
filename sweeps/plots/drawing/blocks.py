"""Thinning by blocks of neighbours: lowest and highest values, means, marks.

Every n-th value alone would mislead: of an oscillation, or of points in a special order, it may
be any picture.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def extremes(x: Array, y: Array, n: int) -> tuple[Array, Array]:
    """Keep the lowest and the highest value of each block of n, in their order.

    Examples
    --------
    >>> extremes(np.arange(6), np.array([3.0, 1.0, 9.0, 2.0, 2.5, 2.2]), 3)
    (array([1, 2, 3, 4]), array([1. , 9. , 2. , 2.5]))
    """
    numbers = y if y.dtype.kind == "f" else np.where(np.isnat(y), np.nan, y.astype(float))
    if numbers.dtype.kind != "f":
        numbers = numbers.astype(float)
    rest = -len(y) % n
    padded = np.concatenate([numbers, np.full(rest, np.nan)]).reshape(-1, n)
    starts = np.arange(len(padded)) * n
    low = np.where(np.isfinite(padded), padded, np.inf).argmin(axis=1) + starts
    high = np.where(np.isfinite(padded), padded, -np.inf).argmax(axis=1) + starts
    kept = np.unique(np.concatenate([low, high]))
    return x[kept], y[kept]


def envelope(low: Array, high: Array, n: int) -> tuple[Array, Array]:
    """Widen a band to what it holds in each block of n.

    Examples
    --------
    >>> envelope(np.array([1.0, 0.5, 2.0]), np.array([2.0, 3.0, 4.0]), 2)
    (array([0.5, 2. ]), array([3., 4.]))
    """
    starts = np.arange(0, len(low), n)
    return np.fmin.reduceat(low, starts), np.fmax.reduceat(high, starts)


def means(values: Array, axis: int, n: int) -> Array:
    """Average the finite numbers of each block of n along an axis; NaN where there are none.

    Examples
    --------
    >>> means(np.array([1.0, 3.0, np.nan, 5.0, np.nan]), 0, 2)
    array([ 2.,  5., nan])
    """
    starts = np.arange(0, values.shape[axis], n)
    is_there = np.isfinite(values)
    total = np.add.reduceat(np.where(is_there, values, 0), starts, axis=axis)
    count = np.add.reduceat(is_there, starts, axis=axis, dtype=int)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def some(marks: Array, axis: int, n: int) -> Array:
    """Mark blocks of n along an axis of which one is marked: no failed point goes unseen.

    Examples
    --------
    >>> some(np.array([False, False, False, True, False]), 0, 2)
    array([False,  True, False])
    """
    return np.logical_or.reduceat(marks, np.arange(0, marks.shape[axis], n), axis=axis)
