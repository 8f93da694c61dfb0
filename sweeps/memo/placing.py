"""Where the points of a large grid are in the memo, as runs: no array is as long as the grid.

An array of 10^9 entries takes 4 GB. Workers commit points in a row, so their parts are a few runs.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sweeps.memo.index import Entries, Index
from sweeps.spaces import keys
from sweeps.spaces.keys import Factors, KeyMaker, Keys
from sweeps.spaces.product import Positions

LARGE = 2**20
"""Points of a space from which on no array is to be as long as the space."""

_MOST_LOOKED_UP = 2**25
"""Sums of hashes that are looked up at most: they take some seconds."""

_MOST_SORTED = 2**21
"""Sums that are sorted to look others up at most: they take 80 MB."""

_STEP = 2**18


@dataclasses.dataclass(frozen=True, eq=False)
class Runs:
    """The entry of each point of a space, or -1, as `index.Matched.entries` has it.

    Attributes
    ----------
    n_positions : int
    starts, stops : numpy.ndarray
        Positions that have entries, as ascending runs.
    firsts : numpy.ndarray
        The entry of the first position of each run; the others follow it.
    """

    n_positions: int
    starts: Positions
    stops: Positions
    firsts: Positions

    def __len__(self) -> int:
        return self.n_positions

    def __getitem__(self, at: slice) -> Entries:
        start, stop, _ = at.indices(self.n_positions)
        made = np.full(stop - start, -1, dtype=np.int64)
        for low, high, first in self.within(start, stop):
            made[low - start : high - start] = np.arange(first, first + high - low)
        return made

    def within(self, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
        """Cut the runs to some positions: start, stop and first entry of each."""
        low = int(np.searchsorted(self.stops, start, side="right"))
        high = int(np.searchsorted(self.starts, stop, side="left"))
        for i in range(low, high):
            begin, end, first = int(self.starts[i]), int(self.stops[i]), int(self.firsts[i])
            skipped = max(start - begin, 0)
            yield begin + skipped, min(end, stop), first + skipped

    @property
    def n_found(self) -> int:
        """Number of positions that have an entry."""
        return int((self.stops - self.starts).sum())

    def gaps(self) -> Iterator[range]:
        """Positions without an entry, some at a time."""
        begins = [0, *self.stops.tolist()]
        for begin, end in zip(begins, [*self.starts.tolist(), self.n_positions], strict=True):
            for start in range(begin, end, _STEP):
                yield range(start, min(start + _STEP, end))

    def first_of(self, index: Index) -> Mapping[int, int]:
        """Position of the first point that each part holds."""
        found: dict[int, int] = {}
        for start, stop, first in self.within(0, self.n_positions):
            low, high = index.part_of([first, first + stop - start - 1]).tolist()
            for number in range(low, high + 1):
                found.setdefault(number, start + max(0, int(index.starts[number]) - first))
        return found


def place(maker: KeyMaker, index: Index) -> Runs | None:
    """Place all parts of the memo that are runs of a grid.

    None where `index.match` is to look: if a part is no run, if two parts have the same point, of
    which the newer one counts, or if a space has equal points.
    """
    factors = maker.factors
    if factors is None or len(factors.sums) < 2 or maker.space.accepted is not None:
        return None
    if factors.has_equal:
        return None
    products = [own for p in index.parts if isinstance(own := p.stored_keys, Factors)]
    find = [
        keys.finder(sums, [own.sums[dim] for own in products if own.names == factors.names])
        for dim, sums in enumerate(factors.sums[:-1])
    ]
    found: list[npt.NDArray[np.int64]] = []
    listed: list[int] = []
    for number, part in enumerate(index.parts):
        own = part.stored_keys
        if not isinstance(own, Factors):
            listed.append(number)
            continue
        if own.names != factors.names or not np.array_equal(own.sums[-1], factors.sums[-1]):
            return None
        places = [look(sums) for look, sums in zip(find, own.sums, strict=False)]
        if any((along < 0).all() for along in places):
            continue  # of other values
        start = _start(places, list(map(len, factors.sums[:-1])))
        if start is None:
            return None
        found.append(np.array([[start, start + len(own), index.starts[number]]]))
    in_row, others = _in_rows(maker, factors, index, listed)
    found += in_row
    of_listed = _place_listed(factors, index, others)
    if of_listed is None:
        return None
    return _joined(len(factors), [*found, of_listed])


def _start(places: Sequence[Positions], shape: Sequence[int]) -> int | None:
    """Return the first position of a box that is a run of positions; None for others."""
    is_inner_whole = True
    for along, size in zip(reversed(places), reversed(shape), strict=True):
        is_row = along[0] >= 0 and (np.diff(along) == 1).all()
        if not is_row or not (is_inner_whole or len(along) == 1):
            return None
        is_inner_whole = is_inner_whole and len(along) == size
    return int(np.ravel_multi_index([int(along[0]) for along in places], shape))


def _joined(n_positions: int, pieces: Sequence[npt.NDArray[np.int64]]) -> Runs | None:
    """Put runs in order, and together where they follow each other; None if some overlap."""
    rows = np.concatenate([np.empty((0, 3), dtype=np.int64), *pieces])
    starts, stops, firsts = rows[np.argsort(rows[:, 0])].T
    if (starts[1:] < stops[:-1]).any():
        return None
    is_new = (starts[1:] != stops[:-1]) | (firsts[1:] != firsts[:-1] + (stops - starts)[:-1])
    begins = np.flatnonzero(np.append(True, is_new)) if len(rows) else np.empty(0, np.int64)
    ends = np.append(begins[1:], len(rows))[: len(begins)] - 1
    return Runs(n_positions, starts[begins], stops[ends], firsts[begins])


def _in_rows(
    maker: KeyMaker, factors: Factors, index: Index, listed: Sequence[int]
) -> tuple[list[npt.NDArray[np.int64]], list[int]]:
    """Place parts that list the keys of points in a row, by the first of them.

    Return also the numbers of the other parts. The first blocks of a run have 30,000 such points:
    looking up all of them in a grid of 10^8 took a second.
    """
    firsts = [keys.written(index.parts[number].stored_keys)[:1] for number in listed]
    at = positions_of(factors, np.concatenate([keys.NOTHING[:0], *firsts]))
    found, others = list[npt.NDArray[np.int64]](), list[int]()
    for number, start in zip(
        listed, [-1] * len(listed) if at is None else at.tolist(), strict=True
    ):
        own = keys.written(index.parts[number].stored_keys)
        stop = start + len(own)
        if 0 <= start < stop <= len(factors) and (maker(np.arange(start, stop)) == own).all():
            found.append(np.array([[start, stop, index.starts[number]]]))
        else:
            others.append(number)
    return found, others


def _place_listed(
    factors: Factors, index: Index, listed: Sequence[int]
) -> npt.NDArray[np.int64] | None:
    """Place the points of parts that list their keys, as runs of one; None if they are many."""
    own = [keys.written(index.parts[number].stored_keys) for number in listed]
    entries = [np.arange(*index.starts[number : number + 2]) for number in listed]
    wanted = np.concatenate([keys.NOTHING[:0], *own])
    at = positions_of(factors, wanted)
    if at is None:
        return None
    numbers = np.concatenate([np.empty(0, dtype=np.int64), *entries])
    is_here = at >= 0
    return np.stack([at[is_here], at[is_here] + 1, numbers[is_here]], axis=1)


def positions_of(factors: Factors, wanted: Keys) -> Positions | None:
    """Find the positions of some keys in a grid, or -1; None if it takes longer than to list all.

    The sums of the outer dimensions are taken from the keys, one after the other, and what is left
    is looked up among the sums of the inner ones; or the other way around.
    """
    found = np.full(len(wanted), -1, dtype=np.int64)
    if not len(wanted):
        return found
    shape = list(map(len, factors.sums[:-1]))
    sizes = [(int(np.prod(shape[:k])), int(np.prod(shape[k:]))) for k in range(len(shape) + 1)]
    costs = [
        len(wanted) * min(pair) + max(pair) if max(pair) <= _MOST_SORTED else math.inf
        for pair in sizes
    ]
    k = int(np.argmin(costs))
    if costs[k] > _MOST_LOOKED_UP:
        return None
    outer, inner = (
        Factors((), tuple(own)).keys() for own in (factors.sums[:k], factors.sums[k:-1])
    )
    is_outer_few = len(outer) < len(inner)
    few, many = (outer, inner) if is_outer_few else (inner, outer)
    order = np.argsort(many[:, 0], kind="stable")
    look_up = functools.partial(_look_up, many=many[order], order=order)
    rest = wanted - factors.sums[-1]
    step = max(1, _STEP // len(wanted))
    for start in range(0, len(few), step):
        some = few[start : start + step]
        which, key, place = look_up((rest - some[:, np.newaxis]).reshape(-1, 2), len(wanted))
        found[key] = (
            (start + which) * len(inner) + place
            if is_outer_few
            else place * len(inner) + start + which
        )
    return found


def _look_up(wanted: Keys, n_keys: int, many: Keys, order: Positions) -> tuple[Any, Any, Any]:
    """Find which differences are sums: number of the few, number of the key, place of the sum."""
    places = keys.match(wanted, many, order)
    at = np.flatnonzero(places >= 0)
    return at // n_keys, at % n_keys, places[at]
