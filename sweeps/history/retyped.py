"""Missing points that have results with integers instead of floats, or the other way round.

``1`` and ``1.0`` are different values to a function, so they are different points. But one float
makes all values of an axis floats; then a single new value makes known points missing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from sweeps.memo import index as memo
from sweeps.spaces import keys
from sweeps.spaces.keys import KeyMaker
from sweeps.spaces.values import Values
from sweeps.text import count

_EXACT = 2**53

_MOST_VALUES = _MOST_POINTS = 2**18

_MOST_SHOWN = 4


def told(maker: KeyMaker, index: memo.Index) -> Iterator[str]:
    """Describe the axes along which missing points have results with numbers of another type.

    Only the first points of a large space are looked up, so that planning 10^7 points stays fast.
    """
    positions = maker.space.positions(0, min(len(maker.space), _MOST_POINTS))
    positions = positions[index.find(maker(positions)) < 0] if index.parts else positions[:0]
    for name in maker.hashes if len(positions) else ():
        column = maker.space.columns[name]
        other = _other(column.table)
        if other is None:
            continue
        at, table = other
        hashes = maker.hashes[name].copy()
        hashes[at] = keys.hash_values(name, table)
        retyped = dataclasses.replace(maker, hashes={**maker.hashes, name: hashes})
        found = positions[index.find(retyped(positions)) >= 0]
        if len(found):
            codes = np.unique(maker.space.codes(found)[name])
            values = column.table.coordinate(codes).tolist()
            yield _say(name, column.table.kind, values, len(found))


def _other(table: Values) -> tuple[npt.NDArray[np.int64], Values] | None:
    """Convert the whole numbers of a table to the other type; return their places, too."""
    if table.kind not in ("int", "float") or len(table) > _MOST_VALUES:
        return None
    numbers = table.coordinate()
    at = np.flatnonzero((abs(numbers) < _EXACT) & (numbers == np.floor(numbers)))
    if not len(at):
        return None
    if table.kind == "float":
        return at, Values("int", numbers[at].astype(np.int64))
    return at, Values("float", numbers[at].astype(np.float64))


def _say(name: str, kind: str, values: list[float], n_known: int) -> str:
    points = f"{count(n_known, 'missing point')} {'has' if n_known == 1 else 'have'} results"
    shown = [f"{value:.15g}" for value in values[:_MOST_SHOWN]]
    floats = [text if set(text) & {*".en"} else f"{text}.0" for text in shown]
    more = ", ..." if len(values) > _MOST_SHOWN else ""
    if kind == "float":
        return (
            f"{points} with integers along {name} ({', '.join(shown)}{more}) and would be "
            "computed again with floats, because 1 and 1.0 are different values and one "
            "float makes the whole axis floats; to avoid this, run the new values alone, "
            f"or give floats from the first run on: {name}={','.join(floats)}{more}"
        )
    return (
        f"{points} with floats along {name} and would be computed again with integers, "
        "because 1 and 1.0 are different values; to avoid this, give floats: "
        f"{name}={','.join(floats)}{more}"
    )
