"""How much disk values of points take, by those that are stored."""

from __future__ import annotations

import math

from sweeps.memo.index import Index
from sweeps.memo.segment import Segment, StoredPart
from sweeps.storage import packs

_HEAD_BYTES = 8192
"""Of a segment, whatever it holds: 7.7 kB for eight points with three outputs."""

_KEY_BYTES, _ELAPSED_BYTES = 16, 4

_COPIES = 2
"""The stored results, and the results file."""


def bytes_of(n_points: int, index: Index) -> int | None:
    """Estimate the bytes that so many points will take; None where none is known.

    Points with large values make more than points with small ones: the average of those stored
    counts.
    """
    n, total = 0, 0.0
    for segment in index.segments.values():
        for part in segment.parts:
            n += len(part)
            total += len(part) * _of_point(part, segment)
    if not n:
        return None
    total = _COPIES * total + packs.total_bytes(index.folder)  # contents of files have no copy
    return round(n_points * total / n)


def _of_point(part: StoredPart, segment: Segment) -> float:
    found = float(_KEY_BYTES + _ELAPSED_BYTES)
    for header in part.variables:
        length = float(math.prod(header.shape))
        if header.counts is not None and len(header.counts):
            length = float(header.counts.mean())
        if header.dtype.kind == "O":  # texts: only the file tells how long they are
            n_points = sum(map(len, segment.parts))
            return max(found, (segment.n_bytes - _HEAD_BYTES) / max(1, n_points))
        found += header.dtype.itemsize * length
    return found
