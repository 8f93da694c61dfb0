"""Copy values from segments into a results file as bytes, without HDF5.

For 315 MB in 13 segments this takes 0.1 s; reading and writing with h5py takes 0.57 s.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from sweeps.errors import StorageError
from sweeps.memo import results_segment, segment
from sweeps.storage import disk, hdf5

_CHUNK_BYTES = 2**20


class Extent(NamedTuple):
    """Some bytes of a file."""

    path: Path
    offset: int
    n_bytes: int


def extents(
    part: segment.StoredPart, number: int, file: h5py.File, rows: slice
) -> Iterator[Extent]:
    """Find the bytes of some points of a part; nothing if a results file stores them otherwise.

    Parameters
    ----------
    part : StoredPart
    number : int
        Number of the variable, which must have the same shape at all points.
    file : h5py.File
        The segment, opened.
    rows : slice
        The points.
    """
    with segment.reading(part.path):
        dataset = segment.dataset(part, number, file)
        offset = dataset.id.get_offset()
    header = part.variables[number]
    stored, _ = hdf5.storage(header.dtype)
    n_dims = 1 if part.spots is None else len(part.spots.sizes)
    if offset is None or dataset.dtype != stored or dataset.shape[n_dims:] != header.shape:
        return
    point_bytes = stored.itemsize * int(np.prod(header.shape))
    runs: Iterable[tuple[int, int]] = [(rows.start, rows.stop)]
    if part.spots is not None:
        runs = results_segment.runs(part.spots.runs, rows.start, rows.stop)
    for start, stop in runs:
        yield Extent(part.path, offset + start * point_bytes, (stop - start) * point_bytes)


def copy(found: Iterable[Extent], descriptor: int, offset: int) -> None:
    """Write the bytes of extents one after the other into a file.

    Raises
    ------
    MergedAwayError
        If a segment no longer exists.
    StorageError
        If one cannot be read.
    OSError
        If the file cannot be written.
    """
    os.lseek(descriptor, offset, os.SEEK_SET)
    for path, own in itertools.groupby(found, key=lambda extent: extent.path):
        with segment.reading(path):
            source = disk.open_to_read(path)
        try:
            for extent in own:
                for chunk in _chunks(source, extent):
                    disk.write_all(descriptor, chunk)
        finally:
            disk.close(source)


def _chunks(source: int, extent: Extent) -> Iterator[bytes]:
    n_left = extent.n_bytes
    os.lseek(source, extent.offset, os.SEEK_SET)
    while n_left:
        with segment.reading(extent.path):
            chunk = disk.read(source, min(n_left, _CHUNK_BYTES))
        if not chunk:
            raise StorageError(
                f"cannot read {extent.path}: it was cut short; run again to continue"
            )
        n_left -= len(chunk)
        yield chunk
