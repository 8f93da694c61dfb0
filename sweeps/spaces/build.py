"""Spaces: which points a sweep has, made of axes that are never written out.

A space is a product of dimensions. A grid's axis is a dimension of its own; parameters that vary
together share one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from sweeps.errors import DeclarationError
from sweeps.spaces.product import axis, listed, together
from sweeps.spaces.space import MAX_POSITIONS, Space
from sweeps.spaces.values import short


def grid(**axes: Any) -> Space:
    """Make the product of axes: every value of each with every value of all others.

    Parameters
    ----------
    **axes : array_like, range, or mapping of labels to objects
        Parameter names and their values, each once.

    Examples
    --------
    >>> grid(length=[0.1, 0.2, 0.5], method=["rk4", "euler"])
    <Space (length: 3, method: 2)>
    """
    return Space(tuple(axis(name, raw) for name, raw in axes.items()))


def zipped(dim: str = "point", /, **axes: Any) -> Space:
    """Let parameters vary together, along one dimension.

    Parameters
    ----------
    dim : str
        Name of the dimension.
    **axes : array_like, range, or mapping of labels to objects
        Parameter names and their values, all of one length.

    Examples
    --------
    >>> zipped("run", pressure=[1.0, 2.0], temperature=[280.0, 300.0]).point(1)
    {'pressure': 2.0, 'temperature': 300.0}
    """
    if not axes:
        raise DeclarationError("zipped() got no axes: give at least one, such as length=[0.1, 0.2]")
    return Space((together(dim, axes),))


def points(rows: Any, dim: str = "point") -> Space:
    """Make a space of an explicit list of points.

    Parameters
    ----------
    rows : sequence of mappings, or pandas.DataFrame
        A mapping of parameter names to values for each point, or a row for each.
    dim : str
        Name of the dimension.

    Examples
    --------
    >>> points([{"x": 1, "y": 2.0}, {"x": 3, "y": 0.5}])
    <Space (point: 2)>
    """
    if hasattr(rows, "columns") and hasattr(rows, "to_dict"):  # a DataFrame
        return zipped(dim, **{str(name): rows[name] for name in rows.columns})
    listable = isinstance(rows, Iterable) and not isinstance(rows, (str, Mapping))
    own: list[Any] = list(rows) if listable else [None]
    if not all(isinstance(row, Mapping) for row in own):
        raise DeclarationError(
            f"points() takes a list of dicts or a DataFrame, not {short(rows)}: "
            "points([{'length': 0.1, 'angle': 2.0}, ...])"
        )
    if not own:
        raise DeclarationError("points() got an empty list: give at least one point")
    return Space((listed(dim, own),))


def replicates(n: int) -> Space:
    """Make the axis ``replicate``, so that every point is computed several times.

    Parameters
    ----------
    n : int
        Number of replicates, 1 at least; they are numbered from 0.

    Examples
    --------
    >>> grid(beta=[0.2, 0.4]) * replicates(10)
    <Space (beta: 2, replicate: 10)>
    """
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or not 1 <= n < MAX_POSITIONS:
        raise DeclarationError(
            f"replicates() takes a number of replicates, 1 or more, not {short(n)}: replicates(10)"
        )
    return grid(replicate=range(n))
