"""Arguments of points in a row of a grid: `itertools.product` makes them, a third as fast again."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sweeps.spaces.keys import boxes
from sweeps.spaces.product import Column, Deferred
from sweeps.spaces.space import Space
from sweeps.spaces.values import NUMERIC


class Columns(Mapping[str, Any]):
    """What a function is given at points in a row, as `Space.arguments_at` gives it.

    Parameters
    ----------
    space : Space
    positions : range
    along : mapping of str to Column
        One parameter for each dimension of the space, in their order.
    """

    def __init__(
        self, space: Space, positions: range, along: Mapping[str, Column | Deferred]
    ) -> None:
        self._space, self._positions, self._along = space, positions, along

    def __getitem__(self, name: str) -> Any:
        if name not in self._along:
            raise KeyError(name)
        dim, column = list(self._along).index(name), self._along[name]
        if column.table.objects is not None or column.table.kind not in NUMERIC:
            written = np.arange(self._positions.start, self._positions.stop)
            return self._space.arguments_at(written, [name])[name]
        pieces = [_repeated(column, dim, box) for box in self._boxes()]
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    def part(self, start: int, stop: int) -> Columns:
        """Return the columns of some of the points."""
        return Columns(self._space, self._positions[start:stop], self._along)

    def _boxes(self) -> Iterator[tuple[slice, ...]]:
        sizes = [dimension.size for dimension in self._space.dimensions]
        return boxes(sizes, self._positions.start, self._positions.stop)

    def __iter__(self) -> Iterator[str]:
        return iter(self._along)

    def __len__(self) -> int:
        return len(self._along)

    def rows(self, names: Sequence[str]) -> Iterator[tuple[Any, ...]] | None:
        """Arguments of one point after the other; None for another order of the parameters."""
        if tuple(names) != tuple(self._along):
            return None
        return itertools.chain.from_iterable(map(self._product, self._boxes()))

    def _product(self, box: Sequence[slice]) -> Iterator[tuple[Any, ...]]:
        return itertools.product(
            *(_values(column, at) for column, at in zip(self._along.values(), box, strict=True))
        )


def _repeated(column: Column | Deferred, dim: int, box: Sequence[slice]) -> npt.NDArray[Any]:
    """Repeat the numbers along a dimension for the points of a box, in a new array."""
    at = box[dim]
    own = np.asarray(column.table.column(column.at(np.arange(at.start, at.stop))))
    shape = [along.stop - along.start for along in box]
    return np.broadcast_to(own.reshape(-1, *[1] * (len(box) - dim - 1)), shape).flatten()


def _values(column: Column | Deferred, at: slice) -> list[Any]:
    own = column.table.column(column.at(np.arange(at.start, at.stop)))
    return own.tolist() if isinstance(own, np.ndarray) else own


def columns(space: Space, positions: range, names: Collection[str]) -> Columns | None:
    """Make the columns of points in a row; None if they are no product of one from each dimension.

    Examples
    --------
    >>> from sweeps import grid
    >>> made = columns(grid(a=[1, 2], b=[3, 4, 5]), range(2, 5), ["a", "b"])
    >>> list(made.rows(["a", "b"]))
    [(1, 5), (2, 3), (2, 4)]
    >>> made["b"].tolist()
    [5, 3, 4]
    """
    along: dict[str, Column | Deferred] = {}
    for dimension in space.dimensions:
        own = [each for each in dimension.columns if each.name in names]
        if len(own) != 1 or own[0].has_gaps:
            return None
        along[own[0].name] = own[0]
    is_all = along.keys() == {*names} & space.columns.keys()
    return Columns(space, positions, along) if is_all else None
