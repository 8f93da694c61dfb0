"""Read the values of a part from a results file, where they are among those of other parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from sweeps.memo import ledger
from sweeps.memo.header import Spots
from sweeps.outputs.types import Header
from sweeps.spaces.keys import boxes
from sweeps.storage import hdf5, kinds
from sweeps.storage.hdf5 import GROUP, Array

_WASTE = 2
"""Read a whole span if at least 1 in so many of its points is wanted."""


def elapsed(file: h5py.File, spots: Spots) -> npt.NDArray[np.float32]:
    """Read the seconds that the points of a part took, shape (n,)."""
    taken: npt.NDArray[np.float32] = file[GROUP]["elapsed"][()].reshape(-1)
    return np.concatenate([taken[:0], *(taken[a:b] for a, b in spots.runs.tolist())])


def rows_at(spots: Spots, positions: Sequence[int]) -> npt.NDArray[np.int64]:
    """Find the rows of a part that are at some positions."""
    if not positions:
        return np.empty(0, np.int64)
    return np.flatnonzero(np.isin(ledger.listed(spots.runs), positions))


def read(file: h5py.File, spots: Spots, number: int, header: Header, rows: slice | None) -> Array:
    """Read values of a variable, as `segment.read` does."""
    dataset = file[spots.datasets[number]]
    lengths = spots.runs[:, 1] - spots.runs[:, 0]
    counts = header.counts
    if counts is None:
        start, stop = (0, int(lengths.sum())) if rows is None else (rows.start, rows.stop)
        return _points(dataset, spots, header, start, stop)
    ends = np.cumsum(counts)
    start, stop = (0, int(ends[-1])) if rows is None else (rows.start, rows.stop)
    first = int(np.searchsorted(ends, start, side="right"))
    last = int(np.searchsorted(ends, stop, side="left")) + 1
    padded = _points(dataset, spots, header, first, last)
    flat = padded[np.arange(padded.shape[1]) < counts[first:last, np.newaxis]]
    skipped = int(ends[first] - counts[first]) if first < len(ends) else 0
    return np.asarray(flat[start - skipped : stop - skipped])


def _points(dataset: h5py.Dataset, spots: Spots, header: Header, start: int, stop: int) -> Array:
    """Read the points `start` to `stop` of a part, shape (n, *own shape)."""
    if 0 in header.shape or start >= stop:
        return np.empty((max(stop - start, 0), *header.shape), header.dtype)
    own = list(runs(spots.runs, start, stop))
    low, high = own[0][0], own[-1][1]
    if high - low > _WASTE * (stop - start):
        return np.concatenate([_span(dataset, spots.sizes, header, a, b) for a, b in own])
    found = _span(dataset, spots.sizes, header, low, high)
    if high - low == stop - start:
        return found
    return np.concatenate([found[a - low : b - low] for a, b in own])


def runs(every: npt.NDArray[np.int64], start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Cut the points `start` to `stop` out of all runs of positions."""
    ends = np.cumsum(every[:, 1] - every[:, 0])
    first, last = np.searchsorted(ends, [start, stop - 1], side="right").tolist()
    for number in range(first, last + 1):
        begin, end = every[number].tolist()
        before = int(ends[number]) - (end - begin)
        yield begin + max(start - before, 0), min(end, begin + stop - before)


def _span(
    dataset: h5py.Dataset, sizes: Sequence[int], header: Header, low: int, high: int
) -> Array:
    """Read the values at the flat positions `low` to `high`."""
    own = tuple(map(slice, header.shape))
    pieces = [
        _decoded(dataset, (*box, *own), header.dtype).reshape(-1, *header.shape)
        for box in boxes(sizes, low, high)
    ]
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


def _decoded(dataset: h5py.Dataset, selection: tuple[Any, ...], dtype: np.dtype[Any]) -> Array:
    if not kinds.of(dtype).is_raw:
        return hdf5.decode(dataset, selection)
    # Integers and bools are stored wider where points are missing.
    return np.asarray(dataset[selection]).astype(dtype, copy=False)
