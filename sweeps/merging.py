"""Merging: many small segments become few, so that a long history stays quick to read.

The merged segment is committed before any of the old ones goes, so that a kill at any instant
leaves every point in at least one of them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import numpy as np

from sweeps import h5, memo
from sweeps.block import Array, Failure, Part, Variable, digest

SMALL_BYTES = 4 * 2**20
N_SMALL = 32
_MERGED_BYTES = 64 * 2**20


def merge(index: memo.Index) -> memo.Index:
    """Merge the small segments of a memo where there are many of them.

    Parameters
    ----------
    index : Index
        As of just now.

    Returns
    -------
    Index
        As of after the merge.
    """
    small = [s for s in index.segments.values() if s.n_bytes < SMALL_BYTES]
    if len(small) < N_SMALL:
        return index
    for batch in _batches(sorted(small, key=lambda segment: segment.created_ns)):
        parts, failures = _contents(index, batch)
        if parts or failures:
            merged = memo.commit(index.folder, parts, failures)
        else:
            merged = None
        for segment in batch:
            if segment.path != merged:
                with contextlib.suppress(FileNotFoundError):  # another run merged it too
                    segment.path.unlink()
    return memo.scan(index.folder, index)


def _batches(segments: Sequence[memo.Segment]) -> Iterator[list[memo.Segment]]:
    batch: list[memo.Segment] = []
    size = 0
    for segment in segments:
        if batch and size + segment.n_bytes > _MERGED_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(segment)
        size += segment.n_bytes
    if len(batch) > 1:
        yield batch


def _contents(index: memo.Index, batch: Sequence[memo.Segment]) -> tuple[list[Part], list[Failure]]:
    """What of a batch still counts: no value that a newer one stands for."""
    mine = {segment.path for segment in batch}
    alike: dict[object, list[Part]] = {}
    files = {}
    with contextlib.ExitStack() as stack:
        for number, stored in enumerate(index.parts):
            if stored.path not in mine:
                continue
            rows = index.starts[number] + np.arange(len(stored.keys))
            counts = np.flatnonzero(index.find(stored.keys) == rows)
            if not counts.size:
                continue
            if stored.path not in files:
                files[stored.path] = stack.enter_context(h5.open_read(stored.path))
            variables = [
                Variable(
                    h.name, memo.read(stored, i, files[stored.path]), h.dims, h.counts, h.attrs
                )
                for i, h in enumerate(stored.variables)
            ]
            part = Part(stored.keys, stored.elapsed, tuple(variables), stored.coordinates)
            alike.setdefault(_form(part), []).append(_rows(part, counts))
    failures = [
        failure
        for segment in batch
        for failure in segment.failures
        if index.failures.get(failure.key) is failure
        and index.find(np.array([failure.key], dtype=np.uint64))[0] < 0
    ]
    return [_joined(parts) for parts in alike.values()], failures


def _form(part: Part) -> object:
    """What two parts must have in common to be one."""
    return (
        tuple(
            (
                v.name,
                v.values.dtype.str,
                v.dims,
                v.values.shape[1:],
                v.counts is None,
                repr(v.attrs),
            )
            for v in part.variables
        ),
        tuple((c.name, c.dims, digest(c.values), repr(c.attrs)) for c in part.coordinates),
    )


def _rows(part: Part, rows: Array) -> Part:
    variables = []
    for v in part.variables:
        if v.counts is None:
            values = v.values[rows]
        else:
            pieces = np.split(v.values, np.cumsum(v.counts)[:-1])
            values = np.concatenate([pieces[row] for row in rows.tolist()])
        counts = None if v.counts is None else v.counts[rows]
        variables.append(Variable(v.name, values, v.dims, counts, v.attrs))
    return Part(part.keys[rows], part.elapsed[rows], tuple(variables), part.coordinates)


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
    return Part(
        np.concatenate([part.keys for part in parts]),
        np.concatenate([part.elapsed for part in parts]),
        tuple(variables),
        parts[0].coordinates,
    )
