"""Spaces: which points a sweep has, as an algebra of axes that is never written out.

A space is a product of dimensions. A grid's axis is a dimension of its own; parameters that vary
together share one. A point's place in the product, its *position*, is a flat index in C order;
values follow from it by arithmetic, so that 10^9 points cost as much as their axes.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from sweeps.axes import (
    ABSENT,
    Codes,
    Column,
    Dimension,
    axis,
    end_to_end,
    first_rows,
    listed,
    refuse_clashes,
    together,
)
from sweeps.errors import DeclarationError
from sweeps.predicate import Keeps, predicate
from sweeps.values import Labelled, Values, short

__all__ = ["ABSENT", "Codes", "Column", "Dimension", "Positions", "Space", "grid", "points",
           "zipped"]  # fmt: skip

Positions = npt.NDArray[np.int64]

_STEP = 2**16
_MAX_LISTED = 2**27
_MAX_POSITIONS = 2**63 - 1


@dataclasses.dataclass(frozen=True, eq=False)
class Space:
    """The set of parameter points of a sweep; made by `grid`, `zipped` and `points`.

    ``a * b`` combines every point of `a` with every one of `b`; ``a + b`` has the points of both,
    each once; ``a.where(predicate)`` keeps what the predicate accepts.

    Examples
    --------
    >>> space = grid(length=[0.1, 0.2], angle=[1, 2, 3]).where(lambda angle: angle != 2)
    >>> len(space), space.dims, space.sizes
    (4, ('length', 'angle'), {'length': 2, 'angle': 3})
    >>> space.point(3)
    {'length': 0.2, 'angle': 3}
    """

    dimensions: tuple[Dimension, ...]
    predicates: tuple[Keeps, ...] = ()

    def __post_init__(self) -> None:
        refuse_clashes(self.dimensions)
        if self.n_positions > _MAX_POSITIONS:
            raise DeclarationError(
                f"a space of {float(self.n_positions):.1e} points is too large to be counted: "
                "give fewer or shorter axes"
            )

    @property
    def dims(self) -> tuple[str, ...]:
        """Names of the dimensions."""
        return tuple(dimension.name for dimension in self.dimensions)

    @property
    def sizes(self) -> dict[str, int]:
        """Length of each dimension."""
        return {dimension.name: dimension.size for dimension in self.dimensions}

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return tuple(self.columns)

    @property
    def columns(self) -> dict[str, Column]:
        """The parameters by name."""
        return {c.name: c for dimension in self.dimensions for c in dimension.columns}

    @property
    def n_positions(self) -> int:
        """Number of places in the product, those that `where` excludes too."""
        return math.prod(dimension.size for dimension in self.dimensions)

    def __len__(self) -> int:
        return self.n_positions if self.accepted is None else int(self.accepted.size)

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for start in range(0, len(self), _STEP):
            yield from self.parameters_at(self.positions(start, min(start + _STEP, len(self))))

    def point(self, index: int) -> dict[str, Any]:
        """Parameters of one point.

        Raises
        ------
        IndexError
            Where there is no such point.
        """
        n_points = len(self)
        if not -n_points <= index < n_points:
            raise IndexError(f"point {index} of a space with {n_points} points")
        index %= n_points
        return self.parameters_at(self.positions(index, index + 1))[0]

    def positions(self, start: int, stop: int) -> Positions:
        """Positions of the points `start` to `stop`."""
        if self.accepted is None:
            return np.arange(start, stop, dtype=np.int64)
        return self.accepted[start:stop]

    def codes(self, positions: Positions) -> dict[str, Codes]:
        """Which value each parameter has at `positions`, as codes into its table."""
        result = {}
        rest = positions
        for dimension in reversed(self.dimensions):
            if dimension is self.dimensions[0]:
                index = rest
            else:
                rest, index = np.divmod(rest, dimension.size)
            for column in dimension.columns:
                result[column.name] = column.at(index)
        return {name: result[name] for name in self.parameters}

    def parameters_at(self, positions: Positions, labels: bool = False) -> list[dict[str, Any]]:
        """Parameters of the points at `positions`; labels for labelled objects, if asked for."""
        points: list[dict[str, Any]] = [{} for _ in range(len(positions))]
        columns = self.columns
        for name, codes in self.codes(positions).items():
            table = columns[name].table
            given = table.column(codes)
            given = given.tolist() if isinstance(given, np.ndarray) else given
            for parameters, value, code in zip(points, given, codes.tolist(), strict=True):
                if code != ABSENT:
                    element = table.element(code) if labels else value
                    is_labelled = isinstance(element, Labelled)
                    parameters[name] = element.label if is_labelled else value
        return points

    @functools.cached_property
    def accepted(self) -> Positions | None:
        """Positions that every predicate accepts, ascending; None where there is no predicate."""
        if not self.predicates:
            return None
        _refuse_listing(".where() looks at every point", self, self.n_positions)
        shape = tuple(dimension.size for dimension in self.dimensions)
        mask = np.ones(shape, dtype=bool)
        for keeps in self.predicates:
            mask &= self._mask(keeps)
        return np.flatnonzero(mask)

    def _mask(self, keeps: Keeps) -> npt.NDArray[np.bool_]:
        """What a predicate says, over the dimensions it depends on, ready to broadcast."""
        used = [any(c.name in keeps.names for c in d.columns) for d in self.dimensions]
        part = Space(tuple(d for d, use in zip(self.dimensions, used, strict=True) if use))
        return keeps.mask(part).reshape(
            [d.size if use else 1 for d, use in zip(self.dimensions, used, strict=True)]
        )

    def where(self, keep: Callable[..., Any]) -> Space:
        """Keep the points that a predicate accepts, which is given their parameters by name."""
        return Space(self.dimensions, (*self.predicates, predicate(keep, self.parameters)))

    def __mul__(self, other: Space) -> Space:
        if not isinstance(other, Space):
            return NotImplemented
        return Space(self.dimensions + other.dimensions, self.predicates + other.predicates)

    def __add__(self, other: Space) -> Space:
        if not isinstance(other, Space):
            return NotImplemented
        return _union(self, other)

    def __repr__(self) -> str:
        dims = ", ".join(f"{name}: {size}" for name, size in self.sizes.items())
        return f"<Space ({dims}){' where …' if self.predicates else ''}>"


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


def points(rows: Any) -> Space:
    """Make a space of an explicit list of points.

    Parameters
    ----------
    rows : sequence of mappings, or pandas.DataFrame
        A mapping of parameter names to values for each point, or a row for each.

    Examples
    --------
    >>> points([{"x": 1, "y": 2.0}, {"x": 3, "y": 0.5}])
    <Space (point: 2)>
    """
    if hasattr(rows, "columns") and hasattr(rows, "to_dict"):  # a DataFrame
        return zipped("point", **{str(name): rows[name] for name in rows.columns})
    listable = isinstance(rows, Iterable) and not isinstance(rows, (str, Mapping))
    own: list[Any] = list(rows) if listable else [None]
    if not all(isinstance(row, Mapping) for row in own):
        raise DeclarationError(
            f"points() takes a list of dicts or a DataFrame, not {short(rows)}: "
            "points([{'length': 0.1, 'angle': 2.0}, ...])"
        )
    if not own:
        raise DeclarationError("points() got an empty list: give at least one point")
    return Space((listed("point", own),))


def _union(a: Space, b: Space) -> Space:
    columns = {**b.columns, **a.columns}
    pieces: dict[str, list[tuple[Values, Codes]]] = {c: [] for c in a.parameters + b.parameters}
    for space in (a, b):
        _refuse_listing("a + b lists its points", space, len(space))
        codes = space.codes(space.positions(0, len(space)))
        for name, own in pieces.items():
            table = space.columns.get(name, columns[name]).table
            own.append((table, codes.get(name, np.full(len(space), ABSENT))))
    joined = [end_to_end(name, own) for name, own in pieces.items()]
    kept = first_rows(joined, len(a) + len(b))
    shared = a.dims[0] if a.dims == b.dims and len(a.dims) == 1 else "point"
    dim = "point" if shared in pieces else shared
    present = [Column(c.name, c.table, c.at(kept)) for c in joined if len(c.table)]
    return Space((Dimension(dim, len(kept), tuple(present)),))


def _refuse_listing(why: str, space: Space, n_points: int) -> None:
    if n_points > _MAX_LISTED:
        raise DeclarationError(
            f"{why}, and {space!r} has {n_points:,}: at most {_MAX_LISTED:,} are possible; "
            "give fewer values on its axes"
        )
