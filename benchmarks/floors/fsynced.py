"""The floor of writing what lasts: h5py alone, flushed to the disk in the end."""

from __future__ import annotations

from benchmarks.floors import plain


def arrays(n_arrays: int, n_bytes: int, n_more: int = 0) -> None:
    """Write one array after the other into one dataset, and flush the file."""
    plain.arrays(n_arrays, n_bytes, n_more, fsync=True)


def line(n_points: int, n_more: int = 0) -> None:
    """Compute and write a single axis, and flush the file."""
    plain.line(n_points, n_more, fsync=True)
