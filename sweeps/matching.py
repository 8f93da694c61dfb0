"""Matching: which entry of the memo holds the values of which point of a space."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from sweeps import keys, memo
from sweeps.keying import KeyMaker
from sweeps.planning import STEP
from sweeps.segment import StoredPart

Entries = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True, eq=False)
class Matched:
    """What the memo has of a space.

    Attributes
    ----------
    entries : numpy.ndarray
        Shape (n_positions,), the entry of the memo with a point's values, or -1.
    first : mapping of int to int
        Position of the first point that each part holds.
    """

    entries: Entries
    first: Mapping[int, int]


def match(maker: KeyMaker, index: memo.Index) -> Matched:
    """Find every point of a space in the memo."""
    return _match_products(maker, index) or _match_keys(maker, index)


def _match_keys(maker: KeyMaker, index: memo.Index) -> Matched:
    """Look up the key of each point."""
    space = maker.space
    entries = np.full(space.n_positions, -1, dtype=np.int64)
    first: dict[int, int] = {}
    for start in range(0, len(space) if index.parts else 0, STEP):
        positions = space.positions(start, min(start + STEP, len(space)))
        found = index.find(maker(positions))
        entries[positions] = found
        first = _first_points(index, found, positions) | first
    return Matched(entries, first)


def _first_points(index: memo.Index, found: Entries, positions: Entries) -> dict[int, int]:
    done = np.flatnonzero(found >= 0)
    parts = np.searchsorted(index.starts, found[done], side="right") - 1
    numbers, at = np.unique(parts, return_index=True)
    return dict(zip(numbers.tolist(), positions[done[at]].tolist(), strict=True))


def _match_products(maker: KeyMaker, index: memo.Index) -> Matched | None:
    """Place parts of the same grid as a whole, by the hashes along its dimensions.

    None where some part is no product of this grid's dimensions, or two hold the same points: then
    only the keys of the points tell. It is for speed only: 10^7 points take 0.03 s here, and 6 s
    one by one.
    """
    factors = maker.factors
    if factors is None or len(factors.sums) < 2 or maker.space.accepted is not None:
        return None
    shape = tuple(map(len, factors.sums[:-1]))
    entries = np.full(shape, -1, dtype=np.int64)
    first: dict[int, int] = {}
    sorted_sums = [_sorted(along) for along in factors.sums]
    for number, part in enumerate(index.parts):
        places = _places(part, factors, sorted_sums)
        if places is None:
            return None
        rows = [np.flatnonzero(own >= 0) for own in places]
        at = [own[row] for own, row in zip(places, rows, strict=True)]
        if not all(map(len, at)):
            continue
        where = _where(at)
        if (entries[where] >= 0).any():
            return None
        numbered = index.starts[number] + np.arange(len(part)).reshape(tuple(map(len, places)))
        entries[where] = numbered[_where(rows)]
        first[number] = int(np.ravel_multi_index([int(own.min()) for own in at], shape))
    return Matched(entries.reshape(-1), first)


def _where(chosen: Sequence[Entries]) -> tuple[slice, ...] | tuple[Entries, ...]:
    """Index of a box of a grid; slices where it has no gaps, which is ten times faster."""
    runs = [slice(int(own[0]), int(own[0]) + len(own)) for own in chosen]
    if all(
        (own == np.arange(run.start, run.stop)).all() for own, run in zip(chosen, runs, strict=True)
    ):
        return tuple(runs)
    return tuple(np.ix_(*chosen))


def _sorted(sums: keys.Keys) -> tuple[keys.Keys, Entries]:
    order = np.argsort(sums[:, 0], kind="stable")
    return sums[order], order


def _places(
    part: StoredPart,
    factors: keys.Factors,
    sorted_sums: Sequence[tuple[keys.Keys, Entries]],
) -> list[Entries] | None:
    """Index of each hash of a part along each dimension, or -1; None for another grid's."""
    own = part.stored_keys
    if not isinstance(own, keys.Factors) or own.names != factors.names:
        return None
    if not np.array_equal(own.sums[-1], factors.sums[-1]):
        return None
    return [
        keys.match(sums, known, order)
        for sums, (known, order) in zip(own.sums[:-1], sorted_sums, strict=False)
    ]
