"""The index of the memo: every finished point by its key, in segments that never change.

A segment is an HDF5 file with a digest behind its end, written once. Any number of processes add
segments to a folder at the same time without a lock; to read the memo is to list the folder. A
segment whose digest is wrong is skipped before HDF5 sees it, or set aside.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import functools
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sweeps.errors import StorageError
from sweeps.memo import listing, segment
from sweeps.memo.listing import BAD_SUFFIX, ending, listing_of, set_aside
from sweeps.memo.segment import Segment, StoredPart
from sweeps.outputs.failures import Failure
from sweeps.spaces import keys
from sweeps.spaces.keys import MIN_PRODUCT, STEP, Factors, KeyMaker
from sweeps.storage import disk, packs

Entries = npt.NDArray[np.integer[Any]]

_LEAD_NS = 10**6
"""Each time a run writes a results file that is a segment, the file is 1 ns newer than what it
replaces. The values that the run computes next must be newer still."""

_MOST_LOADED = 4


@dataclasses.dataclass(frozen=True, eq=False)
class Index:
    """All that the memo of one fingerprint holds, as one listing of its folder found it.

    Attributes
    ----------
    segments : mapping of str to Segment
        By name, as in `listing`.
    bad : tuple of Path
        Damaged segments that were found, where they are now.
    trusted : Path or None
        A draft whose values scans do not check, since this run has just written them.
    """

    folder: Path
    segments: Mapping[str, Segment]
    bad: tuple[Path, ...] = ()
    trusted: Path | None = None

    @functools.cached_property
    def parts(self) -> tuple[StoredPart, ...]:
        """Every part of every segment; the first part with a key counts.

        The segments of the code itself come before accepted ones, newer before older ones.
        """
        return tuple(p for s in self.in_order for p in s.parts)

    @functools.cached_property
    def in_order(self) -> tuple[Segment, ...]:
        """Segments in the order of their parts."""
        own = self.segments.values()
        by_age = sorted(own, key=lambda s: (-s.rank, s.created_ns, s.path.name), reverse=True)
        return tuple(by_age)

    @functools.cached_property
    def starts(self) -> npt.NDArray[np.int64]:
        """Number of the first entry of each part; entries are counted through all parts."""
        sizes = [len(part) for part in self.parts]
        return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)

    def part_of(self, entries: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Number of the part of each entry; -1 where there is none."""
        return np.asarray(np.searchsorted(self.starts, entries, side="right") - 1)

    @functools.cached_property
    def _sorted(self) -> tuple[keys.Keys, npt.NDArray[np.int64]]:
        return _sort([part.keys for part in self.parts])

    @functools.cached_property
    def n_known(self) -> int:
        """Number of different points that have values."""
        # Most memos have each point once, as half of the keys shows: 10^6 take 0.2 s, not 0.7 s.
        first = [np.empty(0, np.uint64), *(part.keys[:, 0] for part in self.parts)]
        ascending = np.sort(np.concatenate(first))
        n_hidden = int(any(part.lost is not None for part in self.parts))  # all have one key
        if not (ascending[1:] == ascending[:-1]).any():
            return len(ascending) - n_hidden
        known, _ = self._sorted
        known = known[np.lexsort(known.T)]  # equal keys behind each other
        return len(known) - int((known[1:] == known[:-1]).all(axis=1).sum()) - n_hidden

    def find(self, wanted: keys.Keys) -> npt.NDArray[np.int64]:
        """Return the entry of each key, shape (n,), or -1 if the memo has no values for it."""
        return _match(wanted, *self._sorted)

    @functools.cached_property
    def failures(self) -> dict[tuple[int, int], Failure]:
        """The failure of each failed key: the one with the most attempts."""
        latest: dict[tuple[int, int], Failure] = {}
        for each in self.in_order:
            for failure in each.failures:
                known = latest.get(failure.key)
                if known is None or known.attempts < failure.attempts:
                    latest[failure.key] = failure
        return latest

    @functools.cached_property
    def _failed(self) -> tuple[keys.Keys, npt.NDArray[np.int64]]:
        return _sort([np.array(list(self.failures), dtype=np.uint64).reshape(-1, 2)])

    def find_failed(self, wanted: keys.Keys) -> npt.NDArray[np.int64]:
        """Return the place of each key among `failures`, shape (n,), or -1."""
        return _match(wanted, *self._failed)


def _sort(pieces: Sequence[keys.Keys]) -> tuple[keys.Keys, npt.NDArray[np.int64]]:
    """Sort keys by their first half, stably; return also where each one was."""
    first = np.concatenate([np.empty(0, dtype=np.uint64), *(piece[:, 0] for piece in pieces)])
    order = np.argsort(first)
    if ((ascending := first[order])[1:] == ascending[:-1]).any():  # which takes thrice as long
        order = np.argsort(first, kind="stable")
    # In columns, so that the first half, which is searched, is contiguous.
    made = np.empty((len(first), 2), dtype=np.uint64, order="F")
    second = np.concatenate([first[:0], *(piece[:, 1] for piece in pieces)])
    made[:, 0], made[:, 1] = first[order], second[order]
    return made, order


def _match(
    wanted: keys.Keys, known: keys.Keys, order: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Match keys in sorted order, which takes a third of the time: memory is read in order."""
    ascending = np.argsort(wanted[:, 0])
    found = np.empty(len(wanted), dtype=np.int64)
    found[ascending] = keys.match(wanted[ascending], known, order)
    return found


def scan(place: Path, before: Index | None = None, *, sets_aside: bool = False) -> Index:
    """Read the keys of all valid segments; those that `before` has are not read again.

    With `sets_aside`, damaged segments are renamed, not only skipped: a command that only reads
    changes nothing, and someone may be copying the segment just now.
    """
    before = Index(place, {}) if before is None else before
    known = {name: each for name, each in before.segments.items() if not each.is_adrift}
    bad, segments = list[Path](), dict[str, Segment]()
    for rank, source in enumerate(listing.sources(place)):
        if sets_aside:
            give_back(source.folder)
        segments |= _scan(source, rank, known, bad, before.trusted, sets_aside=sets_aside)
    if not bad and before.segments == segments:
        return before  # which has its keys sorted already
    found = Index(place, segments, tuple(dict.fromkeys(bad)), before.trusted)
    if sets_aside and listing.is_suspected(place):
        from sweeps.memo import contents

        contents.settle(found)
    return found


def clock(index: Index) -> int:
    """Return what to add to the monotonic clock to get the age of values computed from now on.

    So these are newer than all stored values, and in order, even if the system time steps back.
    """
    latest = max((s.created_ns for s in index.segments.values()), default=0)
    return max(time.time_ns(), latest + _LEAD_NS) - time.monotonic_ns()


def _scan(
    source: listing.Source,
    rank: int,
    known: dict[str, Segment],
    bad: list[Path],
    trusted: Path | None,
    *,
    sets_aside: bool,
) -> dict[str, Segment]:
    """Read the segments of one folder; their names are those of `listing`."""
    hide = _hide(source.folder)
    while True:
        segments, is_complete = dict[str, Segment](), True
        listed = listing_of(source.folder)
        new = [source.folder / n for n in listed if source.prefix + n not in known]
        for path, loaded in zip(new, _loaded(new, trusted), strict=True):
            if isinstance(loaded, segment.DamagedError):
                bad.append(set_aside(path) if sets_aside else path)
            elif isinstance(loaded, segment.MergedAwayError):
                is_complete = False
            else:
                seen = loaded.accepted(rank, source.shift) if rank else loaded
                known[source.prefix + path.name] = hide(seen)
        for name in (source.prefix + n for n in listed):
            if name in known:
                if known[name].rank != rank:
                    known[name] = dataclasses.replace(known[name], rank=rank)
                segments[name] = known[name]
        if is_complete:
            return segments


def _hide(folder: Path) -> Callable[[Segment], Segment]:
    """Make the function that hides points whose files are lost, where some may be."""
    if not os.path.lexists(folder / listing.SUSPECTED):
        return lambda loaded: loaded
    from sweeps.memo import contents  # after damage only

    return functools.partial(contents.masked, folder=folder, have=packs.available(folder))


_Loaded = Segment | segment.MergedAwayError | segment.DamagedError


def _loaded(paths: Sequence[Path], trusted: Path | None) -> Iterator[_Loaded]:
    """Load segments; large ones several at a time, since digests take most of the time."""

    def load(path: Path) -> _Loaded:
        try:
            return segment.load(path, trusted)
        except (segment.MergedAwayError, segment.DamagedError) as error:
            return error

    if not listing.are_large(paths):
        yield from map(load, paths)
        return
    with concurrent.futures.ThreadPoolExecutor(min(_MOST_LOADED, os.cpu_count() or 1)) as pool:
        yield from pool.map(load, paths)


def give_back(place: Path) -> None:
    """Restore the names of segments that were set aside and are whole now.

    This happens if a segment was set aside while someone copied it.
    """
    for path in ending(place, BAD_SUFFIX):
        with contextlib.suppress(OSError, StorageError, segment.DamagedError):
            digest = segment.verify(place / path).digest
            disk.replace(place / path, place / listing.name_of(digest))


# ---- the points of a space


@dataclasses.dataclass(frozen=True, eq=False)
class Matched:
    """The entries of the memo for a space.

    Attributes
    ----------
    entries : numpy.ndarray
        Shape (n_positions,), the entry of the memo with the values of each point, or -1. It is
        int32 if that is enough, since new memory costs more time than all else here.
    first : mapping of int to int
        Position of the first point that each part holds.
    """

    entries: Entries
    first: Mapping[int, int]


def match(maker: KeyMaker, index: Index) -> Matched:
    """Find every point of a space in the memo."""
    placed = _place_products(maker, index)
    return (placed and _match_rest(maker, index, *placed)) or _match_keys(maker, index)


def done(
    maker: KeyMaker, index: Index, runs: Sequence[range] | None = None
) -> npt.NDArray[np.bool_] | None:
    """Tell which points have values, shape (n_positions,), if that needs keys of few points.

    None otherwise: then the caller looks up keys as it makes them, which takes less memory. If
    `runs` are given, points that are in none of them may count as not done.
    """
    found = _place_products(maker, index)
    if found is None:
        return None
    placed, listed = found
    is_done: npt.NDArray[np.bool_] = placed.entries >= 0
    known = _sort([index.parts[n].keys for n in listed])
    runs = [range(len(is_done))] if runs is None else runs
    for start, stop in ((n, min(n + STEP, run.stop)) for run in runs for n in run[::STEP]):
        rest = start + np.flatnonzero(~is_done[start:stop])
        if listed and len(rest):
            is_done[rest] = _match(maker(rest), *known) >= 0
    return is_done


def _dtype(index: Index) -> type[np.integer[Any]]:
    return np.int32 if index.starts[-1] < 2**31 else np.int64


def _match_keys(maker: KeyMaker, index: Index) -> Matched:
    """Look up the key of each point."""
    space = maker.space
    entries: Entries = np.full(space.n_positions, -1, dtype=_dtype(index))
    first: dict[int, int] = {}
    for start in range(0, len(space) if index.parts else 0, STEP):
        positions = space.positions(start, min(start + STEP, len(space)))
        found = index.find(maker(positions))
        entries[positions] = found
        first = _first_points(index, found, positions) | first
    return Matched(entries, first)


def _first_points(index: Index, found: Entries, positions: Entries) -> dict[int, int]:
    done = np.flatnonzero(found >= 0)
    parts = index.part_of(found[done])
    numbers, at = np.unique(parts, return_index=True)
    return dict(zip(numbers.tolist(), positions[done[at]].tolist(), strict=True))


def _place_products(maker: KeyMaker, index: Index) -> tuple[Matched, list[int]] | None:
    """Place parts of the same grid as a whole, by the hashes along its dimensions.

    Return also the numbers of the parts that list their keys; their points are not placed. Return
    None if there is none, and if that could be wrong: if a part is a product of other dimensions,
    if two parts have the same point, of which the newer one counts, or if a space has equal points,
    as samples may. It is for speed only: 10^7 points take 0.05 s here, and 5 s one by one.
    """
    factors = maker.factors
    if factors is None or len(factors.sums) < 2 or maker.space.accepted is not None:
        return None
    stored = [_as_product(part.stored_keys, factors) for part in index.parts]
    products = [own for own in stored if isinstance(own, Factors)]
    if not products or factors.has_equal:
        return None
    entries: Entries = np.full(tuple(map(len, factors.sums[:-1])), -1, dtype=_dtype(index))
    first: dict[int, int] = {}
    listed = []
    find = [
        keys.finder(sums, [own.sums[dim] for own in products if own.names == factors.names])
        for dim, sums in enumerate(factors.sums[:-1])
    ]
    for number, own in enumerate(stored):
        if not isinstance(own, Factors):
            listed.append(number)
            continue
        if own.names != factors.names or not np.array_equal(own.sums[-1], factors.sums[-1]):
            return None
        places = [look(sums) for look, sums in zip(find, own.sums, strict=False)]
        rows = [np.flatnonzero(place >= 0) for place in places]
        at = [place[row] for place, row in zip(places, rows, strict=True)]
        if not all(map(len, at)):
            continue
        where = _where(at)
        if (entries[where] >= 0).any():
            return None
        start, stop = index.starts[number : number + 2].tolist()
        numbered = np.arange(start, stop, dtype=entries.dtype).reshape(tuple(map(len, places)))
        entries[where] = numbered[_where(rows)]
        if (entries[where] != numbered[_where(rows)]).any():  # it lists a key twice
            return None
        first[number] = int(np.ravel_multi_index([int(a.min()) for a in at], entries.shape))
    return Matched(entries.reshape(-1), first), listed


def _as_product(own: keys.Keys | Factors, factors: Factors) -> keys.Keys | Factors:
    """Take a long list of keys for a product, if the space has a single dimension."""
    if isinstance(own, Factors) or len(factors.sums) != 2 or len(own) < MIN_PRODUCT:
        return own
    return Factors(factors.names, (own - factors.sums[-1], factors.sums[-1]))


def _match_rest(
    maker: KeyMaker, index: Index, placed: Matched, listed: Sequence[int]
) -> Matched | None:
    """Look up the points that are not placed yet in the parts that list their keys."""
    if not listed:
        return placed
    rest = np.flatnonzero(placed.entries < 0)
    sizes = index.starts[1:] - index.starts[:-1]
    numbers = np.concatenate([index.starts[n] + np.arange(sizes[n]) for n in listed])
    known, order = _sort([index.parts[n].keys for n in listed])
    found = _match(maker(rest), known, numbers[order])
    if np.count_nonzero(found >= 0) < len(known):
        return None  # some keys are not of this space, or are in two parts
    placed.entries[rest] = found
    return Matched(placed.entries, {**placed.first, **_first_points(index, found, rest)})


def _where(chosen: Sequence[Entries]) -> tuple[slice, ...] | tuple[Entries, ...]:
    """Make the index of a box of a grid: slices if it has no gaps, which are ten times faster."""
    runs = [slice(int(own[0]), int(own[0]) + len(own)) for own in chosen]
    if all(
        (own == np.arange(run.start, run.stop)).all() for own, run in zip(chosen, runs, strict=True)
    ):
        return tuple(runs)
    return tuple(np.ix_(*chosen))
