"""What a page shows of a results file: it reads only what is asked for."""

from __future__ import annotations

import functools
import os
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from sweeps.errors import StorageError
from sweeps.storage import hdf5, hdf5_foreign, hdf5_open
from sweeps.storage.hdf5 import GROUP, STATUS, TEXT_END, TEXTS, Array
from sweeps.viewer.sheet import Failed, Sheet, Status, Variable, kind_of, units_of, with_gaps

_WHOLE_BYTES = 2**26
"""Smaller outputs are read once: where a slider moves along the last dimension, a slice of 10^4
numbers would be as many reads, or all of the file."""

_KEPT_BYTES = 2**28

_MOST_TEXTS_BYTES = 2**26


def identity(path: Path) -> str:
    """Name the state of a file: another one has been put in its place if this changes."""
    now = path.stat()
    return f"{now.st_dev:x}.{now.st_ino:x}.{now.st_size:x}.{now.st_mtime_ns:x}"


class Landed(Sheet):
    """A results file, as it was when it was opened; files are replaced, never changed.

    Raises
    ------
    StorageError
        If there is none, or it is no results file.
    """

    def __init__(self, path: Path) -> None:
        try:
            self.version = identity(path)
        except (OSError, ValueError) as error:
            reason = os.strerror(getattr(error, "errno", 0) or 0)
            raise StorageError(f"cannot read {path}: {reason}") from error
        self.place = "the results file"
        self._path = path
        self._file = hdf5_foreign.open_read(path)
        try:
            with hdf5_open.damaged(path):
                self._describe()
        except BaseException:
            self._file.close()
            raise
        self._kept: OrderedDict[str, Array] = OrderedDict()
        self._coordinate = functools.cache(self._read_coordinate)  # gone with this sheet

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _describe(self) -> None:
        found = {n: d for n, d in self._file.items() if isinstance(d, h5py.Dataset)}
        dims = {name: _dims(name, dataset) for name, dataset in found.items()}
        status = self._file.get(f"{GROUP}/status")
        if not isinstance(status, h5py.Dataset):
            raise StorageError(
                f"{self._path} has no status of points: it is no results file of sweeps"
            )
        space = _dims("", status)
        self.sizes = dict(zip(space, map(int, status.shape), strict=True))
        lengths = {
            dim: int(size)
            for name, dataset in found.items()
            for dim, size in zip(dims[name], dataset.shape, strict=True)
        }
        self.own_sizes = {dim: n for dim, n in lengths.items() if dim not in self.sizes}
        coordinates = _coordinates(found)
        made = {
            name: _variable(name, dataset, dims[name])
            for name, dataset in found.items()
            if not _is_bare(dataset)
        }
        n_space = len(self.sizes)
        self.outputs = {
            n: v for n, v in made.items() if n not in coordinates and v.dims[:n_space] == space
        }
        self.coordinates = {n: v for n, v in made.items() if n in coordinates and v.dims}
        self._stated = np.asarray(status[()], dtype=np.int8).reshape(-1)
        if self._stated.size and not 0 <= self._stated.min() <= self._stated.max() < len(STATUS):
            raise StorageError(f"{self._path} has an unknown status of points")

    @property
    def status(self) -> Status:
        """State of each point."""
        return self._stated

    @functools.cached_property
    def elapsed(self) -> npt.NDArray[np.float32]:
        """Seconds that each point took."""
        with hdf5_open.damaged(self._path):
            dataset = self._file.get(f"{GROUP}/elapsed")
            if not isinstance(dataset, h5py.Dataset) or dataset.size != self.n_positions:
                return np.full(self.n_positions, np.nan, dtype=np.float32)
            return np.asarray(dataset[()], dtype=np.float32).reshape(-1)

    def read(self, name: str, at: Mapping[str, int]) -> tuple[Array, npt.NDArray[np.bool_] | None]:
        """Read an output where some dimensions are held."""
        dims = self.outputs[name].dims
        where = tuple(at.get(dim, slice(None)) for dim in dims)
        with hdf5_open.damaged(self._path):
            dataset = self._file[name]
            stored = self._whole(name, dataset)
            part = np.asarray(hdf5.decode(dataset, where) if stored is None else stored[where])
            return part, _missing(dataset, part)

    def _whole(self, name: str, dataset: h5py.Dataset) -> Array | None:
        """Return a small output as a whole; None for a large one."""
        if name in self._kept:
            self._kept.move_to_end(name)
            return self._kept[name]
        if dataset.size * max(dataset.dtype.itemsize, 8) > _WHOLE_BYTES:
            return None
        self._kept[name] = hdf5.decode(dataset)
        while len(self._kept) > 1 and sum(v.nbytes for v in self._kept.values()) > _KEPT_BYTES:
            self._kept.popitem(last=False)
        return self._kept[name]

    def coordinate(self, name: str) -> Array:
        """Read a coordinate."""
        return self._coordinate(name)

    def _read_coordinate(self, name: str) -> Array:
        with hdf5_open.damaged(self._path):
            dataset = self._file[name]
            values = hdf5.decode(dataset)
            missing = _missing(dataset, values)
            return values if missing is None else with_gaps(values, missing)

    def failures(self, start: int, stop: int) -> Sequence[Failed]:
        """List some of the failed points."""
        positions, columns = self._failures
        found = []
        for row in range(start, min(stop, len(positions))):
            position = int(positions[row])
            said = (columns[name][row] for name in ("kind", "type", "message", "traceback"))
            kind, named, message, place = said
            params = self.parameters(position)
            n_attempts = int(columns["attempts"][row])
            traceback = place if place.endswith(f"{message}\n") else f"{place}{message}\n"
            found.append(Failed(position, params, kind, named, message, traceback, n_attempts))
        return found

    @functools.cached_property
    def _failures(self) -> tuple[npt.NDArray[np.int64], dict[str, Any]]:
        """Read where points failed, and the columns of what is known of it."""
        group = self._file.get(f"{GROUP}/failures")
        if not isinstance(group, h5py.Group):
            return np.empty(0, dtype=np.int64), {}
        with hdf5_open.damaged(self._path):
            ends = np.asarray(group[TEXT_END][()], dtype=np.int64)
            raw = np.asarray(group[TEXTS][: min(group[TEXTS].size, _MOST_TEXTS_BYTES)]).tobytes()
            starts = [0, *ends[:-1].tolist()]
            texts = [
                raw[a:b].decode("utf-8", "replace")
                for a, b in zip(starts, ends.tolist(), strict=True)
            ]
            columns: dict[str, Any] = {
                name: [texts[number] for number in group[name][()].tolist()]
                for name in ("kind", "type", "message", "traceback")
            }
            columns["attempts"] = group["attempts"][()]
            positions = np.asarray(group["position"][()], dtype=np.int64)
        if positions.size and not 0 <= positions.min() <= positions.max() < self.n_positions:
            raise StorageError(f"{self._path} lists failures of points that it does not have")
        return positions, columns


def _dims(name: str, dataset: h5py.Dataset) -> tuple[str, ...]:
    """Name the dimensions of a variable; one that is a dimension is along itself."""
    if dataset.is_scale and dataset.ndim == 1:
        return (name,)
    return tuple(
        own[0].name.rpartition("/")[2] if len(own) else f"{name}_{number}"
        for number, own in enumerate(dataset.dims)
    )


def _is_bare(dataset: h5py.Dataset) -> bool:
    """Whether it is a dimension without values, by the convention of netCDF-4."""
    said = str(hdf5.plain(dataset.attrs.get("NAME", "")))
    return said.startswith("This is a netCDF dimension but not a netCDF variable")


def _coordinates(found: Mapping[str, h5py.Dataset]) -> set[str]:
    """Name the variables that label others: those of dimensions, and those that others name."""
    named = {name for name, dataset in found.items() if dataset.is_scale}
    for dataset in found.values():
        named |= {*str(hdf5.plain(dataset.attrs.get("coordinates", ""))).split()}
    return named


def _variable(name: str, dataset: h5py.Dataset, dims: tuple[str, ...]) -> Variable:
    is_text = h5py.check_string_dtype(dataset.dtype) is not None
    kind = "text" if is_text else kind_of(hdf5.decode(dataset, _nothing(dataset)).dtype)
    label, units = (str(hdf5.plain(dataset.attrs.get(n, ""))) for n in ("long_name", "units"))
    return Variable(name, kind, dims, label, units_of(kind, units))


def _nothing(dataset: h5py.Dataset) -> tuple[slice, ...]:
    return tuple(slice(0, 0) for _ in dataset.shape)


def _missing(dataset: h5py.Dataset, values: Array) -> npt.NDArray[np.bool_] | None:
    """Find values that stand for none."""
    if values.dtype.kind in "fc":
        return np.isnan(values)
    if values.dtype.kind in "mM":
        return np.isnat(values)
    fill = dataset.attrs.get("_FillValue")
    if fill is None:
        return None
    return np.asarray(values == hdf5.plain(fill), dtype=bool)
