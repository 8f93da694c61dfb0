"""What a results file says of its points as a segment does, so that it can be one.

It is one where the memo has no other copy of them, and has a second name among the segments then;
or where its memo is gone. What a segment says of its parts is in a group of it; their values are
those of the results.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from sweeps.memo import header as memo_header
from sweeps.outputs.types import Header, Variable
from sweeps.spaces.keys import Factors, Keys, boxes
from sweeps.storage import hdf5
from sweeps.storage.hdf5 import GROUP, Array
from sweeps.storage.hdf5_write import Put

MEMO = f"{GROUP}/memo"
"""The group."""

_WASTE = 2
"""Points are read at once where they are one in so many, or more, of those between them."""


@dataclasses.dataclass(frozen=True, eq=False)
class Spots:
    """Where the values of a part are.

    Attributes
    ----------
    sizes : tuple of int
        Of the dimensions of the space.
    runs : numpy.ndarray
        Shape (n, 2), int64: the flat positions of the points, as ascending runs, start and stop.
    datasets : tuple of str
        The name of each variable of the part.
    """

    sizes: tuple[int, ...]
    runs: npt.NDArray[np.int64]
    datasets: tuple[str, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class KeptPart:
    """Points that returned alike; like `StoredPart`, but for the times taken, which are there."""

    keys: Keys | Factors
    variables: tuple[Header, ...]
    coordinates: tuple[Variable, ...]
    spots: Spots


@dataclasses.dataclass(frozen=True, eq=False)
class Kept:
    """What a results file is to the memo.

    Attributes
    ----------
    fingerprint : str
        Of the code that computed the values: keys do not tell.
    created_ns : int
        Age of the values, by which the newest of a key count.
    n_others : int
        Points of the file that are in none of the parts: it does not hold them bit for bit, or they
        are of earlier code.
    segments : tuple of str
        Names of the segments that have all of its points; none where it is to be one itself.
    accepted : tuple of str
        Fingerprints of the earlier code that others may be of.
    """

    fingerprint: str
    created_ns: int
    parts: tuple[KeptPart, ...]
    n_others: int = 0
    segments: tuple[str, ...] = ()
    accepted: tuple[str, ...] = ()


def write(file: h5py.File, put: Put, kept: Kept) -> None:
    """Say in a results file what of it is the memo's."""
    group = file.create_group(MEMO, track_order=True)
    group.attrs["fingerprint"] = kept.fingerprint
    group.attrs["created_ns"] = kept.created_ns
    group.attrs["n_others"] = kept.n_others
    group.attrs["segments"] = json.dumps(kept.segments)
    group.attrs["accepted"] = json.dumps(kept.accepted)
    # Octave's ncinfo fails with groups beside each other of which one has no variable.
    put(group, "n_parts", np.array(len(kept.parts)))
    for number, part in enumerate(kept.parts):
        own = group.create_group(f"part{number}", track_order=True)
        memo_header.write(own, put, part.keys, part.variables, part.coordinates)
        own.attrs["datasets"] = json.dumps(part.spots.datasets)
        put(own, "runs", part.spots.runs)
    for each in (group, *group.values()):
        for name, value in each.attrs.items():
            if isinstance(value, str):
                each.attrs[name] = hdf5.fixed(value)


def load(file: h5py.File) -> Kept:
    """Read what a results file says of it.

    Raises
    ------
    LookupError
        Where it says nothing.
    """
    group = file[MEMO]
    sizes = tuple(map(int, file[GROUP]["status"].shape))
    parts = tuple(_part(group[name], sizes) for name in group if name.startswith("part"))
    fingerprint = str(hdf5.plain(group.attrs["fingerprint"]))
    created_ns = int(group.attrs["created_ns"])
    return Kept(fingerprint, created_ns, parts, *origin(file))


def origin(file: h5py.File) -> tuple[int, tuple[str, ...], tuple[str, ...]]:
    """Read `n_others`, `segments` and `accepted` of a `Kept`.

    Raises
    ------
    LookupError
        Where the file says nothing.
    """
    said = file[MEMO].attrs
    names = (
        tuple(json.loads(hdf5.plain(said.get(name, "[]")))) for name in ("segments", "accepted")
    )
    return int(said.get("n_others", 0)), *names  # type: ignore[return-value]


def _part(group: h5py.Group, sizes: tuple[int, ...]) -> KeptPart:
    spots = Spots(sizes, group["runs"][()], tuple(json.loads(group.attrs["datasets"])))
    return KeptPart(
        memo_header.keys(group), memo_header.headers(group), memo_header.coordinates(group), spots
    )


def elapsed(file: h5py.File, spots: Spots) -> npt.NDArray[np.float32]:
    """Read the seconds that the points of a part took, shape (n,)."""
    taken: npt.NDArray[np.float32] = file[GROUP]["elapsed"][()].reshape(-1)
    return np.concatenate([taken[:0], *(taken[a:b] for a, b in spots.runs.tolist())])


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
    """Values of the points `start` to `stop` of a part, shape (n, *own shape)."""
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
    """Values at the flat positions `low` to `high`."""
    own = tuple(map(slice, header.shape))
    pieces = [
        _decoded(dataset, (*box, *own), header.dtype).reshape(-1, *header.shape)
        for box in boxes(sizes, low, high)
    ]
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


def _decoded(dataset: h5py.Dataset, selection: tuple[Any, ...], dtype: np.dtype[Any]) -> Array:
    if dtype.kind in "OM":
        return hdf5.decode(dataset, selection)
    # Integers and bools are stored wider where points are missing.
    return np.asarray(dataset[selection]).astype(dtype, copy=False)
