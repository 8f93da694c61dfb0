"""Products of dimensions: the parameters along each, and their values at each position.

Nothing is written out: a *position* is a flat index in C order, so that 10^9 points cost as much as
their axes.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sweeps.errors import DeclarationError
from sweeps.spaces import quantities
from sweeps.spaces.accept import accept
from sweeps.spaces.values import Labelled, Values, factorize, refuse_duplicates

Codes = npt.NDArray[np.int64]
"""Which value of a table stands where."""

ABSENT = -1
"""Code of a parameter that a point does not have."""

Positions = npt.NDArray[np.int64]

Mask = npt.NDArray[np.bool_]

Pieces = Iterator[tuple[Positions, list[dict[str, Any]]]]
"""Positions and the parameters there, some thousand at a time."""

_STEP = 2**16

Places = npt.NDArray[np.int64] | range
"""Positions in a space, shape (n,); those in a row take no memory, and no time to send."""


@dataclasses.dataclass(frozen=True, eq=False)
class Column:
    """A parameter along one dimension: its distinct values, and which of them stands where."""

    name: str
    table: Values
    codes: Codes | None = None  # None: the values in their order, each once

    def at(self, index: Codes) -> Codes:
        """Codes at places along the dimension."""
        return index if self.codes is None else self.codes[index]

    @property
    def has_gaps(self) -> bool:
        """Whether some points do not have the parameter."""
        return self.codes is not None and bool((self.codes == ABSENT).any())


@dataclasses.dataclass(frozen=True, eq=False)
class Dimension:
    """A dimension of a space and the parameters that vary along it.

    Attributes
    ----------
    is_first : numpy.ndarray or None
        Shape (size,), whether a row is the first of those equal to it; None where no row is
        repeated.
    sampling : object
        How its rows were drawn, where they were; nothing here looks at it.
    """

    name: str
    size: int
    columns: tuple[Column, ...]
    is_first: npt.NDArray[np.bool_] | None = None
    sampling: Any = None

    @property
    def is_axis(self) -> bool:
        """Whether it is the axis of the one parameter that it is named for."""
        return len(self.columns) == 1 and self.columns[0].name == self.name


@dataclasses.dataclass(frozen=True, eq=False)
class Derived:
    """A parameter that varies along any number of dimensions, and is a function of others.

    Attributes
    ----------
    dims : tuple of str
        In the order of the space.
    column : Column
        Over the product of these dimensions, flattened in C order.
    """

    dims: tuple[str, ...]
    column: Column

    @property
    def name(self) -> str:
        """Name of the parameter."""
        return self.column.name


@dataclasses.dataclass(frozen=True, eq=False)
class Deferred:
    """A column that is made when its values are first needed.

    Attributes
    ----------
    has_gaps : bool
        Whether some places lack what it is made from, which is known before.
    """

    name: str
    has_gaps: bool
    make: Callable[[], Column]

    @functools.cached_property
    def made(self) -> Column:
        """The column, with gaps also at places that ``where`` excludes."""
        return self.make()

    @property
    def table(self) -> Values:
        """The distinct values."""
        return self.made.table

    @property
    def codes(self) -> Codes | None:
        """Which of them stands where."""
        return self.made.codes

    def at(self, index: Codes) -> Codes:
        """Codes at places."""
        return self.made.at(index)


@dataclasses.dataclass(frozen=True, eq=False)
class Product:
    """Dimensions, and columns of parameters along one or several of them.

    Attributes
    ----------
    dimensions : tuple of Dimension
    columns : mapping of str to Column or Deferred
        The parameters by name.
    along : mapping of str to tuple of str
        The dimensions that each parameter varies along, in their order.
    """

    dimensions: tuple[Dimension, ...]
    columns: Mapping[str, Column | Deferred]
    along: Mapping[str, tuple[str, ...]]

    @property
    def sizes(self) -> dict[str, int]:
        """Length of each dimension."""
        return {dimension.name: dimension.size for dimension in self.dimensions}

    @property
    def n_positions(self) -> int:
        """Number of places."""
        return math.prod(dimension.size for dimension in self.dimensions)

    def part(self, names: Collection[str]) -> Product:
        """Product of the dimensions that some parameters vary along."""
        along = {name: dims for name, dims in self.along.items() if name in names}
        used = {dim for dims in along.values() for dim in dims}
        dimensions = tuple(d for d in self.dimensions if d.name in used)
        return Product(dimensions, {name: self.columns[name] for name in along}, along)

    def index(self, positions: Positions) -> dict[str, Codes]:
        """Place of each position along each dimension."""
        found = {}
        rest = positions
        for dimension in reversed(self.dimensions[1:]):
            rest, found[dimension.name] = np.divmod(rest, dimension.size)
        return found | {dimension.name: rest for dimension in self.dimensions[:1]}

    def codes(self, positions: Positions) -> dict[str, Codes]:
        """Which value each parameter has at `positions`, as codes into its table."""
        index, sizes = self.index(positions), self.sizes
        result = {}
        for name, column in self.columns.items():
            dims = self.along[name]
            place = index[dims[0]] if dims else np.zeros(len(positions), dtype=np.int64)
            for dim in dims[1:]:
                place = place * sizes[dim] + index[dim]
            result[name] = column.at(place)
        return result

    def parameters_at(self, positions: Positions, labels: bool = False) -> list[dict[str, Any]]:
        """Parameters of the points at `positions`; labels for labelled objects, if asked for."""
        points: list[dict[str, Any]] = [{} for _ in range(len(positions))]
        for name, codes in self.codes(positions).items():
            table = self.columns[name].table
            if not len(table):  # of a derived parameter that no point has
                continue
            given = table.column(codes)
            given = given.tolist() if isinstance(given, np.ndarray) else given
            if labels and table.objects is not None:
                elements = [table.objects[code] for code in codes.tolist()]
                pairs = zip(elements, given, strict=True)
                given = [
                    e.label if isinstance(e, Labelled) else quantities.plain(value)
                    for e, value in pairs
                ]
            for parameters, value, code in zip(points, given, codes.tolist(), strict=True):
                if code != ABSENT:
                    parameters[name] = value
        return points

    def is_first(self, positions: Positions) -> Mask | None:
        """Find which points are the first of those equal to them; None where no row is repeated."""
        repeated = {d.name: d.is_first for d in self.dimensions if d.is_first is not None}
        if not repeated:
            return None
        index = self.index(positions)
        mask = np.ones(len(positions), dtype=bool)
        for dim, is_first in repeated.items():
            mask &= is_first[index[dim]]
        return mask

    def pieces(self, positions: Positions | None = None) -> Pieces:
        """Go through all positions, or some, and the parameters there."""
        n_points = self.n_positions if positions is None else len(positions)
        for start in range(0, n_points, _STEP):
            stop = min(start + _STEP, n_points)
            at = np.arange(start, stop) if positions is None else positions[start:stop]
            yield at, self.parameters_at(at)


def axis(name: str, raw: Any) -> Dimension:
    """Make the dimension of one parameter; each value once."""
    table = raw if isinstance(raw, Values) else accept(name, raw)
    _refuse_empty(name, table)
    refuse_duplicates(name, table)
    return Dimension(name, len(table), (Column(name, table),))


def together(dim: str, raw: Mapping[str, Any], *, allow_repeats: bool = False) -> Dimension:
    """Make the dimension of parameters that vary together; each row once, or as often as drawn."""
    tables = {
        name: values if isinstance(values, Values) else accept(name, values)
        for name, values in raw.items()
    }
    sizes = {name: len(table) for name, table in tables.items()}
    if len(set(sizes.values())) > 1:
        told = ", ".join(f"{name} has {size}" for name, size in sizes.items())
        raise DeclarationError(f"zipped axes must have the same length, but {told} values")
    columns = []
    for name, table in tables.items():
        _refuse_empty(name, table)
        columns.append(Column(name, *factorize(name, table)))
    return rows_of(dim, next(iter(sizes.values())), columns, allow_repeats=allow_repeats)


def listed(dim: str, rows: Sequence[Mapping[str, Any]]) -> Dimension:
    """Make the dimension of points that are listed one by one, each with parameters of its own."""
    columns = []
    for name in dict.fromkeys(name for row in rows for name in row):
        if not isinstance(name, str):
            raise DeclarationError(f"points(): parameter names are strings, not {name!r}")
        table = accept(name, [row[name] for row in rows if name in row])
        distinct, present_codes = factorize(name, table)
        codes = np.full(len(rows), ABSENT, dtype=np.int64)
        codes[[name in row for row in rows]] = present_codes
        columns.append(Column(name, distinct, codes))
    return rows_of(dim, len(rows), columns)


def end_to_end(name: str, pieces: Sequence[tuple[Values, Codes]]) -> Column:
    """Make one column of several, each given as a table and codes into it."""
    used = [np.unique(codes[codes != ABSENT]) for _, codes in pieces]
    elements = [
        e
        for (table, _), own in zip(pieces, used, strict=True)
        for e in table.select(own).elements()
    ]
    distinct, renumbered = factorize(name, accept(name, elements))
    joined = []
    start = 0
    for (_, codes), own in zip(pieces, used, strict=True):
        piece = np.full(len(codes), ABSENT, dtype=np.int64)
        present = codes != ABSENT
        piece[present] = renumbered[start + np.searchsorted(own, codes[present])]
        joined.append(piece)
        start += len(own)
    return Column(name, distinct, np.concatenate(joined))


def first_rows(columns: Iterable[Column], n_rows: int) -> Codes:
    """Index of the first of each set of equal rows, ascending."""
    row = np.zeros(n_rows, dtype=np.int64)
    for column in columns:
        codes = column.at(np.arange(n_rows)) + 1
        _, row = np.unique(row * (codes.max(initial=0) + 1) + codes, return_inverse=True)
    return np.sort(np.unique(row, return_index=True)[1])


def rows_of(
    dim: str, n_rows: int, columns: Sequence[Column], *, allow_repeats: bool = False
) -> Dimension:
    """Make a dimension of columns, and find out which of its rows are equal."""
    if any(_all_differ(column, n_rows) for column in columns):
        return Dimension(dim, n_rows, tuple(columns))
    first = first_rows(columns, n_rows)
    if len(first) == n_rows:
        return Dimension(dim, n_rows, tuple(columns))
    is_first = np.zeros(n_rows, dtype=bool)
    is_first[first] = True
    if not allow_repeats:
        again = int(np.argmin(is_first))
        codes = {c: int(c.at(np.array([again]))[0]) for c in columns}
        row = {c.name: c.table.element(code) for c, code in codes.items() if code != ABSENT}
        raise DeclarationError(f"the point {row} is listed twice: give it once")
    return Dimension(dim, n_rows, tuple(columns), is_first)


def _all_differ(column: Column, n_rows: int) -> bool:
    """Whether each row has a value of its own, as it is cheap to find out."""
    if column.codes is None:
        return isinstance(column.table.array, range)
    if len(column.table) != n_rows:
        return False
    is_used = np.zeros(n_rows + 1, dtype=bool)  # the last one: by a row that lacks the parameter
    is_used[column.codes] = True
    return bool(is_used[:-1].all())


def _refuse_empty(name: str, table: Values) -> None:
    if not len(table):
        raise DeclarationError(f"axis {name!r} is empty: give at least one value")


def refuse_clashes(dimensions: Iterable[Dimension], derived: Iterable[str] = ()) -> None:
    """Raise `DeclarationError` for an invalid name, and for a name that is used twice."""
    seen: set[str] = set()
    for dimension in dimensions:
        names = [c.name for c in dimension.columns]
        for name in names if dimension.is_axis else [dimension.name, *names]:
            _refuse_no_name(name)
            if name in seen:
                raise DeclarationError(
                    f"the name {name!r} is used twice in one space: each parameter belongs to one "
                    "axis; zipped('name', ...) names a dimension"
                )
            seen.add(name)
    for name in derived:
        _refuse_no_name(name)
        if name in seen:
            raise DeclarationError(
                f"derived parameter {name!r} has the name of another parameter or dimension of "
                "the space: give it another name"
            )
        seen.add(name)


def _refuse_no_name(name: Any) -> None:
    if not isinstance(name, str) or not name.isidentifier():
        raise DeclarationError(f"{name!r} is not a valid name: use letters, digits and underscores")


def shortened(places: Places) -> Places:
    """Make a range of positions in a row."""
    if isinstance(places, range) or not len(places):
        return places
    first, last = int(places[0]), int(places[-1])
    return range(first, last + 1) if last - first == len(places) - 1 else places


def written(places: Places) -> npt.NDArray[np.int64]:
    """Make an array of positions."""
    return np.arange(places.start, places.stop) if isinstance(places, range) else places


def joined(pieces: Sequence[Places]) -> Places:
    """Put places behind each other; what is one row stays a range."""
    some = [piece for piece in pieces if len(piece)]
    ends = [each.stop for each in some if isinstance(each, range)]
    if len(ends) == len(some) > 0 and ends[:-1] == [int(each[0]) for each in some[1:]]:
        return range(int(some[0][0]), ends[-1])
    if len(some) == 1:
        return some[0]
    return np.concatenate([np.empty(0, dtype=np.int64), *map(written, some)])
