"""A short view of a results file: its first points, and statistics of each output."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py

from sweeps.analysis import overview
from sweeps.analysis.overview import Statistics, SummaryView
from sweeps.exports.source import point_dims
from sweeps.storage import hdf5_foreign, hdf5_open
from sweeps.storage.dataset import read
from sweeps.storage.hdf5 import SUMMARY

if TYPE_CHECKING:
    import xarray

    from sweeps.results.origin import Origin


@dataclasses.dataclass(frozen=True)
class View:
    """What the command `show` prints.

    Attributes
    ----------
    header, rows : tuple of str, list of list
        The first points: their parameters, then their outputs, except arrays.
    points : int
        All of them.
    """

    sizes: dict[str, int]
    outputs: list[Statistics]
    header: tuple[str, ...]
    rows: list[list[Any]]
    summary: SummaryView | None = None
    points: int = 0


def view(path: Path, n_rows: int = 10) -> View:
    """Read a results file for `show`.

    Raises
    ------
    StorageError
        If there is no such file, or it cannot be read.
    """
    dataset = read(path, masked=False).dataset
    with hdf5_open.damaged(path):
        return _view(path, dataset, n_rows)


def origin(path: Path) -> Origin:
    """Read for `show --provenance` where the results in a file come from.

    Raises
    ------
    StorageError
        If there is no such file, or it cannot be read.
    """
    from sweeps.results import origin  # the table does not need it

    return origin.read(path)


def _view(path: Path, dataset: xarray.Dataset, n_rows: int) -> View:
    with hdf5_foreign.open_read(path) as file:
        dims = point_dims(file, dataset)
    stored = dataset.variables  # dataset[name] looks for coordinates among all of them
    names = tuple(
        str(name)
        for name in (*dataset.coords, *dataset.data_vars)
        if set(stored[name].dims) <= set(dims) and (stored[name].dims or not dims)
    )
    sizes = {str(dim): size for dim, size in dataset.sizes.items()}
    outputs = [overview.statistics(str(name), stored[name]) for name in dataset.data_vars]
    rows = overview.rows_of(dataset, dims, names, n_rows)
    with hdf5_foreign.open_read(path) as file:
        has_summary = isinstance(file.get(SUMMARY), h5py.Group)
    summary = None
    if has_summary:
        summary = overview.summarized(read(path, SUMMARY, masked=False).dataset, n_rows)
    n_points = math.prod(dataset.sizes[dim] for dim in dims)
    return View(sizes, outputs, names, rows, summary, n_points)
