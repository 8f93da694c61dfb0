"""The part of a long space that workers need where few of its points are computed.

To pickle, write, read and check the values and hashes of an axis of 10^6 takes 0.1 s.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from sweeps.spaces.keys import MIN_PRODUCT, Hashes, KeyMaker
from sweeps.spaces.product import Codes, Column, Places, joined, written


@dataclasses.dataclass(frozen=True, eq=False)
class _Cut(Column):
    """A column that has the values of some places in a row alone, the first of which is `start`.

    It is a class of its own, because the fields of `Column` count where functions carry spaces.
    """

    start: int = 0

    def at(self, index: Codes) -> Codes:
        """Codes at places along the dimension."""
        return index - self.start


def window(maker: KeyMaker, places: Sequence[Places]) -> KeyMaker:
    """Leave out the values that no point at some places has, if these are few and near each other.

    Parameters
    ----------
    maker : KeyMaker
        Of a space as `settled` makes it. Positions stay what they are.
    places : sequence of Places
        Positions, in any order.
    """
    space = maker.space
    is_plain = len(space.dimensions) == 1 and not space.derived
    if not is_plain or any(column.codes is not None for column in space.dimensions[0].columns):
        return maker
    at = written(joined(places))
    low, high = int(at.min()), int(at.max()) + 1
    if high - low >= MIN_PRODUCT:  # their keys would be a product of all
        return maker

    def cut(hashes: Hashes) -> Hashes:
        # The last one is of points that lack the parameter.
        return {n: np.concatenate([own[low:high], own[-1:]]) for n, own in hashes.items()}

    dimension = space.dimensions[0]
    rows = np.arange(low, high)
    columns = tuple(_Cut(c.name, c.table.select(rows), start=low) for c in dimension.columns)
    part = dataclasses.replace(dimension, columns=columns)
    return dataclasses.replace(
        maker,
        space=dataclasses.replace(space, dimensions=(part,)),
        hashes=cut(maker.hashes),
        stream_hashes=None if maker.stream_hashes is None else cut(maker.stream_hashes),
    )
