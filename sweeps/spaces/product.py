"""Products of dimensions: what stands at which position, by arithmetic.

A *position* is a flat index in C order, so that 10^9 points cost as much as their axes.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from sweeps.spaces import quantities
from sweeps.spaces.axes import ABSENT, Codes, Column, Dimension
from sweeps.spaces.values import Labelled, Values

Positions = npt.NDArray[np.int64]

Mask = npt.NDArray[np.bool_]

Pieces = Iterator[tuple[Positions, list[dict[str, Any]]]]
"""Positions and the parameters there, some thousand at a time."""

_STEP = 2**16

Places = npt.NDArray[np.int64] | range
"""Positions in a space, shape (n,); those in a row take no memory, and no time to send."""


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
    """A column that is made when somebody looks at its values.

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


def shortened(places: npt.NDArray[np.int64]) -> Places:
    """Make a range of positions in a row."""
    if not len(places):
        return places
    first, last = int(places[0]), int(places[-1])
    return range(first, last + 1) if last - first == len(places) - 1 else places


def written(places: Places) -> npt.NDArray[np.int64]:
    """Make an array of positions."""
    return np.arange(places.start, places.stop) if isinstance(places, range) else places
