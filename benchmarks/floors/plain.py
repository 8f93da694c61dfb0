"""The floor of writing: h5py alone, in one process, nothing flushed to the disk."""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np

from benchmarks import work


def arrays(n_arrays: int, n_bytes: int, n_more: int = 0, *, fsync: bool = False) -> None:
    """Write one array after the other into one dataset."""
    with h5py.File("results.h5", "w", libver=("earliest", "v110")) as file:
        shape = (n_arrays + n_more, n_bytes // 8)
        dataset = file.create_dataset("value", shape, "f8")
        for i in range(n_arrays + n_more):
            dataset[i] = work.array(i, n_bytes)
    if fsync:
        _fsync()


def columns(n_points: int) -> None:
    """Compute a slab by numpy and write it, so that memory does not grow with the points."""
    b = np.linspace(0, 1, 1000)[:, None]
    c = np.arange(100)
    n_a = n_points // 100_000
    with h5py.File("results.h5", "w") as file:
        file["a"], file["b"], file["c"] = np.arange(n_a), b[:, 0], c
        dataset = file.create_dataset("value", (n_a, 1000, 100), "f8")
        for a in range(0, n_a, 10):
            dataset[a : a + 10] = np.arange(a, min(a + 10, n_a))[:, None, None] * np.sin(b) + c


def line(n_points: int, n_more: int = 0, *, fsync: bool = False) -> None:
    """Compute the values along a single axis, and write both."""
    x = np.arange(n_points + n_more)
    with h5py.File("results.h5", "w") as file:
        file["x"], file["value"] = x, x * 0.5
    if fsync:
        _fsync()


def _fsync() -> None:
    with Path("results.h5").open("rb") as file:
        os.fsync(file.fileno())
