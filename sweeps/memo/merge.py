"""Merge many small segments into few, so that a long history stays quick to read.

The merged segment is written before an old one is removed. So a kill at any moment leaves every
point in at least one segment.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np

from sweeps.errors import StorageError
from sweeps.memo import index as memo
from sweeps.memo import listing, segment
from sweeps.outputs.failures import Failure
from sweeps.outputs.schema import form, header_of
from sweeps.outputs.types import Part, Variable
from sweeps.spaces.keys import written
from sweeps.storage import disk, packs
from sweeps.storage.hdf5 import Array

if TYPE_CHECKING:
    from sweeps.memo.claims import Claims

SMALL_BYTES = 4 * 2**20

_YOUNG_BYTES = 2**18
"""At a run's end, larger ones stay until they are settled.

To land 300 segments of 40 kB takes half as long if they are merged first, since fewer files are
opened. With 120 kB it takes a third longer, and with 1 MB twice as long, since all is copied.
"""

N_SMALL = 32

_MERGED_BYTES = 64 * 2**20

SETTLED_S = 600.0
"""Younger segments are not merged while other runs may be there.

A merged segment is as old as the newest in it. Another run that recomputes may be about to write a
segment with an earlier age, whose values must not seem older than those that they replace.
"""


def merge_alone(index: memo.Index, present: Claims) -> memo.Index:
    """Merge small young segments, too, if no other run is there; return the index after that.

    A run that begins later makes newer values than all that are merged. So the caller must have no
    worker left that goes on.
    """

    def look() -> memo.Index | None:
        with contextlib.suppress(StorageError):
            return memo.scan(index.folder, index)
        return None

    seen = present.if_alone(look)
    return index if seen is None else merge(seen, is_alone=True)


def merge(index: memo.Index, *, is_alone: bool = False) -> memo.Index:
    """Merge the small segments of a memo if there are many; return the index after that.

    If the disk does not take the merged segment, or another run merges at the same time, they stay
    as they are: merging can wait.
    """
    if listing.ending(index.folder, packs.SUFFIX):
        packs.merge(index.folder)
    settled_ns = time.time_ns() - round(SETTLED_S * 1e9)
    young_bytes = _YOUNG_BYTES if is_alone else 0
    small = [
        s
        for s in index.segments.values()
        if not (s.rank or s.is_landed or s.is_placed)
        and s.n_bytes < (SMALL_BYTES if s.created_ns <= settled_ns else young_bytes)
    ]
    if len(small) < N_SMALL:
        return index
    numbers: dict[Path, list[int]] = {}
    for number, stored in enumerate(index.parts):
        numbers.setdefault(stored.path, []).append(number)
    with contextlib.suppress(StorageError):
        for batch in _batches(sorted(small, key=lambda s: s.created_ns)):
            _replace(index, batch, numbers)
    return memo.scan(index.folder, index)


def _replace(
    index: memo.Index, batch: Sequence[segment.Segment], numbers: Mapping[Path, Sequence[int]]
) -> None:
    """Replace many segments by one.

    Its age is that of the newest of them, not of the merge: values that another run computed
    meanwhile are newer and count.
    """
    parts, failures = _contents(index, batch, numbers)
    merged = None
    if parts or failures:
        created_ns = max(each.created_ns for each in batch)
        merged = segment.commit(index.folder, parts, failures, created_ns)
    for each in batch:
        if each.path != merged:
            with contextlib.suppress(OSError):  # another run merged it too, or we may not remove it
                disk.unlink(each.path)


def _batches(segments: Sequence[segment.Segment]) -> Iterator[list[segment.Segment]]:
    batch: list[segment.Segment] = []
    size = 0
    for each in segments:
        if batch and size + each.n_bytes > _MERGED_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(each)
        size += each.n_bytes
    if len(batch) > 1:
        yield batch


def _contents(
    index: memo.Index, batch: Sequence[segment.Segment], numbers: Mapping[Path, Sequence[int]]
) -> tuple[list[Part], list[Failure]]:
    """Read what is still valid of a batch: no value with a newer one.

    `numbers` are those of the parts of each segment.
    """
    alike: dict[object, list[Part]] = {}
    for each in batch:
        with segment.open_hdf5(each.path) as file:
            for number in numbers.get(each.path, ()):
                stored = index.parts[number]
                entries = index.starts[number] + np.arange(len(stored))
                is_valid = index.find(stored.keys) == entries
                if stored.lost is not None:
                    is_valid &= stored.keys[:, 0] != segment.NO_KEY
                rows = np.flatnonzero(is_valid)
                if rows.size:
                    part = rows_of(read_part(stored, file), rows)
                    own = form(map(header_of, part.variables), part.coordinates)
                    alike.setdefault(own, []).append(part)
    return [_joined(parts) for parts in alike.values()], open_failures(index, batch)


def open_failures(index: memo.Index, segments: Iterable[segment.Segment]) -> list[Failure]:
    """Return the last failure of each key of some segments, if it has no values since.

    If two segments hold the same last failure, both count: neither is removed for the other.
    """
    last: dict[tuple[int, int], Failure] = {}
    for each in segments:
        for failure in each.failures:
            if failure.attempts >= index.failures[failure.key].attempts:
                last[failure.key] = failure
    failed = np.array(list(last), dtype=np.uint64).reshape(-1, 2)
    return list(itertools.compress(last.values(), (index.find(failed) < 0).tolist()))


def read_part(stored: segment.StoredPart, file: h5py.File) -> Part:
    """Read a part with its values."""
    variables = tuple(
        Variable(h.name, segment.read(stored, i, file), h.dims, h.counts, h.attrs)
        for i, h in enumerate(stored.variables)
    )
    return Part(stored.stored_keys, stored.elapsed, variables, stored.coordinates)


def rows_of(part: Part, rows: Array) -> Part:
    """Keep some points of a part."""
    if len(rows) == len(part.keys):
        return part
    variables = []
    for v in part.variables:
        if v.counts is None:
            values = v.values[rows]
        else:
            span, within = segment.spans(v.counts, rows)
            values = v.values[span][within]
        counts = None if v.counts is None else v.counts[rows]
        variables.append(Variable(v.name, values, v.dims, counts, v.attrs))
    return Part(written(part.keys)[rows], part.elapsed[rows], tuple(variables), part.coordinates)


def _joined(parts: Sequence[Part]) -> Part:
    variables = [
        Variable(
            same[0].name,
            np.concatenate([v.values for v in same]),
            same[0].dims,
            None if same[0].counts is None else np.concatenate([v.counts for v in same]),
            same[0].attrs,
        )
        for same in zip(*(part.variables for part in parts), strict=True)
    ]
    if len(parts) == 1:
        return parts[0]
    return Part(
        np.concatenate([written(part.keys) for part in parts]),
        np.concatenate([part.elapsed for part in parts]),
        tuple(variables),
        parts[0].coordinates,
    )
