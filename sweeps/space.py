"""Spaces: which points a sweep has, as an algebra of axes that is never written out.

A space is a product of dimensions. A grid's axis is a dimension of its own; parameters that vary
together share one. A point's place in the product, its *position*, is a flat index in C order;
values follow from it by arithmetic, so that 10^9 points cost as much as their axes.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sweeps import values
from sweeps.errors import DeclarationError, SweepsError, unknown

Positions = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int64]

ABSENT = -1
"""Code of a parameter that a point does not have."""

_PREDICATE_STEP = 2**16
_MAX_LISTED = 2**27


@dataclasses.dataclass(frozen=True, eq=False)
class Column:
    """A parameter along one dimension: its distinct values, and which of them stands where."""

    name: str
    table: values.Values
    codes: Codes | None = None  # None: the values in their order, each once

    def at(self, index: Codes) -> Codes:
        """Codes at places along the dimension."""
        return index if self.codes is None else self.codes[index]


@dataclasses.dataclass(frozen=True, eq=False)
class Dimension:
    """A dimension of a space and the parameters that vary along it."""

    name: str
    size: int
    columns: tuple[Column, ...]

    @property
    def is_axis(self) -> bool:
        """Whether it is the axis of the one parameter that it is named for."""
        return len(self.columns) == 1 and self.columns[0].name == self.name


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
    predicates: tuple[Callable[..., Any], ...] = ()

    def __post_init__(self) -> None:
        _refuse_clashes(self.dimensions)

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
        return tuple(c.name for dimension in self.dimensions for c in dimension.columns)

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
        for start in range(0, len(self), _PREDICATE_STEP):
            positions = self.positions(start, min(start + _PREDICATE_STEP, len(self)))
            yield from self.parameters_at(positions)

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
        listed: list[dict[str, Any]] = [{} for _ in range(len(positions))]
        columns = self.columns
        for name, codes in self.codes(positions).items():
            table = columns[name].table
            for parameters, code in zip(listed, codes.tolist(), strict=True):
                if code != ABSENT:
                    element = table.element(code)
                    is_labelled = labels and isinstance(element, values.Labelled)
                    parameters[name] = element.label if is_labelled else values.unlabel(element)
        return listed

    @functools.cached_property
    def accepted(self) -> Positions | None:
        """Positions that every predicate accepts, ascending; None where there is no predicate."""
        if not self.predicates:
            return None
        mask = np.ones(self._shape, dtype=bool)
        for predicate in self.predicates:
            mask &= self._mask(predicate)
        return np.flatnonzero(mask)

    @property
    def _shape(self) -> tuple[int, ...]:
        return tuple(dimension.size for dimension in self.dimensions)

    def _mask(self, predicate: Callable[..., Any]) -> npt.NDArray[np.bool_]:
        """What a predicate says, over the dimensions it depends on, ready to broadcast."""
        names = _argument_names(predicate) or self.parameters
        used = [any(c.name in names for c in d.columns) for d in self.dimensions]
        part = Space(tuple(d for d, use in zip(self.dimensions, used, strict=True) if use))
        if part.n_positions > _MAX_LISTED:
            raise DeclarationError(
                f".where() would call its predicate {part.n_positions:,} times; at most "
                f"{_MAX_LISTED:,} are possible: restrict the axes themselves"
            )
        said = (_ask(predicate, names, parameters) for parameters in part)
        flat = np.fromiter(said, dtype=bool, count=part.n_positions)
        return flat.reshape([s if use else 1 for s, use in zip(self._shape, used, strict=True)])

    def where(self, predicate: Callable[..., Any]) -> Space:
        """Keep the points whose parameters, given by name, the predicate accepts."""
        if not callable(predicate):
            raise DeclarationError(f".where() takes a function of parameters, not {predicate!r}")
        for name in _argument_names(predicate) or ():
            if name not in self.parameters:
                raise unknown("parameter", name, self.parameters, "in the space for .where()")
        return Space(self.dimensions, (*self.predicates, predicate))

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


def axis(name: str, raw: Any) -> Dimension:
    """Make the dimension of one parameter; each value once."""
    table = raw if isinstance(raw, values.Values) else values.canonical(name, raw)
    _refuse_empty(name, len(table))
    values.refuse_duplicates(name, table)
    return Dimension(name, len(table), (Column(name, table),))


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
    tables = {name: values.canonical(name, raw) for name, raw in axes.items()}
    sizes = {name: len(table) for name, table in tables.items()}
    if len(set(sizes.values())) > 1:
        told = ", ".join(f"{name} has {size}" for name, size in sizes.items())
        raise DeclarationError(f"zipped axes must have one length, but {told} values")
    columns = []
    for name, table in tables.items():
        _refuse_empty(name, len(table))
        columns.append(Column(name, *values.factorize(name, table)))
    _refuse_repeated_rows(columns)
    return Space((Dimension(dim, len(table), tuple(columns)),))


def points(listed: Any) -> Space:
    """Make a space of an explicit list of points.

    Parameters
    ----------
    listed : sequence of mappings, or pandas.DataFrame
        A mapping of parameter names to values for each point, or a row for each.

    Examples
    --------
    >>> points([{"x": 1, "y": 2.0}, {"x": 3, "y": 0.5}])
    <Space (point: 2)>
    """
    if hasattr(listed, "columns") and hasattr(listed, "to_dict"):  # a DataFrame
        return zipped("point", **{str(name): listed[name] for name in listed.columns})
    rows = list(listed) if not isinstance(listed, (str, Mapping)) else None
    if rows is None or not all(isinstance(row, Mapping) for row in rows):
        raise DeclarationError(
            f"points() takes a list of dicts or a DataFrame, not {type(listed).__name__}: "
            "points([{'length': 0.1, 'angle': 2.0}, ...])"
        )
    if not rows:
        raise DeclarationError("points() got an empty list: give at least one point")
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = [_listed_column(name, rows) for name in names]
    _refuse_repeated_rows(columns)
    return Space((Dimension("point", len(rows), tuple(columns)),))


def _listed_column(name: Any, rows: Sequence[Mapping[str, Any]]) -> Column:
    if not isinstance(name, str):
        raise DeclarationError(f"points(): parameter names are strings, not {name!r}")
    present = np.array([name in row for row in rows])
    table, present_codes = values.factorize(
        name, values.canonical(name, [row[name] for row in rows if name in row])
    )
    codes = np.full(len(rows), ABSENT, dtype=np.int64)
    codes[present] = present_codes
    return Column(name, table, codes)


def _union(a: Space, b: Space) -> Space:
    for space in (a, b):
        if len(space) > _MAX_LISTED:
            raise DeclarationError(
                f"a + b lists its points, and {space!r} has {len(space):,}: at most "
                f"{_MAX_LISTED:,} are possible"
            )
    sides = [(space, space.codes(space.positions(0, len(space)))) for space in (a, b)]
    columns = []
    for name in dict.fromkeys(a.parameters + b.parameters):
        elements: list[Any] = []
        present = []
        for space, codes in sides:
            at = codes.get(name, np.full(len(space), ABSENT))
            present.append(at != ABSENT)
            table = space.columns[name].table if name in space.columns else None
            elements += [table.element(code) for code in at[at != ABSENT].tolist()] if table else []
        table, present_codes = values.factorize(name, values.canonical(name, elements))
        codes_of_both = np.full(len(a) + len(b), ABSENT, dtype=np.int64)
        codes_of_both[np.concatenate(present)] = present_codes
        columns.append(Column(name, table, codes_of_both))
    kept = np.sort(_first_rows(columns, len(a) + len(b)))
    shared = a.dims[0] if a.dims == b.dims and len(a.dims) == 1 else "point"
    dim = "point" if shared in a.parameters + b.parameters else shared
    columns = [Column(c.name, c.table, c.at(kept)) for c in columns]
    return Space((Dimension(dim, len(kept), tuple(columns)),))


def _first_rows(columns: Sequence[Column], n_rows: int) -> npt.NDArray[np.int64]:
    """Index of the first of each set of equal rows."""
    row = np.zeros(n_rows, dtype=np.int64)
    for column in columns:
        codes = column.at(np.arange(n_rows)) + 1
        _, row = np.unique(row * (codes.max() + 1) + codes, return_inverse=True)
    return np.unique(row, return_index=True)[1]


def _refuse_repeated_rows(columns: Sequence[Column]) -> None:
    codes = [c.codes for c in columns if c.codes is not None]
    n_rows = len(codes[0])
    first = _first_rows(columns, n_rows)
    if len(first) < n_rows:
        again = int(np.setdiff1d(np.arange(n_rows), first)[0])
        raise DeclarationError(f"the point {_row(columns, again)} stands twice: give it once")


def _row(columns: Sequence[Column], at: int) -> dict[str, Any]:
    codes = {c.name: int(c.at(np.array([at]))[0]) for c in columns}
    return {c.name: c.table.element(codes[c.name]) for c in columns if codes[c.name] != ABSENT}


def _refuse_empty(name: str, size: int) -> None:
    if not size:
        raise DeclarationError(f"axis {name!r} is empty: give at least one value")


def _refuse_clashes(dimensions: Iterable[Dimension]) -> None:
    seen: set[str] = set()
    for dimension in dimensions:
        names = [c.name for c in dimension.columns]
        own = names if dimension.is_axis else [dimension.name, *names]
        for name in own:
            if not isinstance(name, str) or not name.isidentifier():
                raise DeclarationError(f"{name!r} is no name: use letters, digits and underscores")
            if name in seen:
                raise DeclarationError(
                    f"the name {name!r} stands twice in one space: a parameter belongs to one "
                    "axis, and zipped('name', ...) names another dimension"
                )
            seen.add(name)


def _argument_names(predicate: Callable[..., Any]) -> tuple[str, ...] | None:
    """Parameters that a predicate asks for; None where it takes all (``**parameters``)."""
    signature = inspect.signature(predicate).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in signature):
        return None
    return tuple(p.name for p in signature if p.default is p.empty)


def _ask(predicate: Callable[..., Any], names: Sequence[str], point: Mapping[str, Any]) -> bool:
    asked = {name: point[name] for name in names if name in point}
    try:
        return bool(predicate(**asked))
    except SweepsError:
        raise
    except Exception as error:
        raise DeclarationError(
            f"the predicate of .where() raised {type(error).__name__}: {error}, for {asked}"
        ) from error
