"""Zarr, format 2, which all programs that know Zarr read; conventions of xarray and CF."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from sweeps.exports import netcdf_file
from sweeps.exports.columns import Table
from sweeps.exports.source import Source, boxes, slices
from sweeps.results import datasets
from sweeps.storage import hdf5, kinds
from sweeps.storage.files import New
from sweeps.storage.hdf5_open import damaged

if TYPE_CHECKING:
    import xarray

_CHUNK_BYTES = 2**23


def write(table: Table, new: New) -> list[str]:
    """Write all variables, chunk by chunk."""
    import zarr

    source = table.source
    root = zarr.open_group(new.path, mode="w", zarr_format=2)
    root.attrs.update({k: _plain(v) for k, v in netcdf_file.origin(source).items()})
    for name in map(str, source.dataset.variables):
        _write(root, source, name)
    if (said := netcdf_file.status_of(source)) is not None:
        name, attrs = said
        status = source.status.reshape(source.shape)
        _make(root, name, source.dims, status.shape, status.dtype, None, attrs)[...] = status
    zarr.consolidate_metadata(new.path, zarr_format=2)
    return []


def _write(root: Any, source: Source, name: str) -> None:
    variable = source.dataset.variables[name]
    missing = _marks_missing(variable)
    sample = hdf5.storage(variable.dtype)
    stored, own = sample
    attrs = {**netcdf_file.attributes(source, name), **own}
    auxiliary = _auxiliary(source, name)
    if auxiliary and name in source.dataset.data_vars:
        attrs["coordinates"] = " ".join(auxiliary)
    dims = tuple(map(str, variable.dims))
    made = _make(root, name, dims, variable.shape, stored, missing, attrs)
    n_most = max(1, _CHUNK_BYTES // max(stored.itemsize, 1))
    for start, stop in boxes(variable.shape, n_most):
        box = slices(variable.shape, start, stop)
        with damaged(source.path):
            content = np.asarray(variable[box].values)
        if content.dtype.kind in "OUT":
            content = content.astype(object)
            content[content != content] = missing or ""
        made[box] = hdf5.encode(content)[0]


def _marks_missing(variable: xarray.Variable) -> Any:
    """Return the value that marks what is missing, as stored; None if there is no such value."""
    kind = kinds.of(variable.dtype)
    if kind.has_nat:
        return np.iinfo(np.int64).min
    if variable.dtype.kind in "fc":
        return np.nan
    return variable.attrs.get("_FillValue", variable.encoding.get("_FillValue"))


def _auxiliary(source: Source, name: str) -> list[str]:
    """Return the coordinates that belong to a variable and are not axes."""
    dims = set(source.dataset.variables[name].dims)
    held = source.dataset.coords
    return [
        str(other)
        for other in held
        if held[other].dims != (other,) and set(held[other].dims) <= dims
    ]


def _make(
    root: Any,
    name: str,
    dims: tuple[str, ...],
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    fill: Any,
    attrs: dict[str, Any],
) -> Any:
    chunks = _chunks(shape, dtype)
    options: dict[str, Any] = {"shape": shape, "chunks": chunks, "fill_value": fill}
    if dtype.kind == "O":
        from zarr.dtype import VariableLengthUTF8

        made = root.create_array(name, dtype=VariableLengthUTF8(), **options)
    else:
        made = root.create_array(name, dtype=dtype, **options)
    said = {key: _plain(value) for key, value in attrs.items()}
    if isinstance(said.get("units"), str) and "dtype" not in said:
        said["units"] = datasets.symbol(said["units"])
    made.attrs.update({**said, "_ARRAY_DIMENSIONS": list(dims)})
    return made


def _chunks(shape: tuple[int, ...], dtype: np.dtype[Any]) -> tuple[int, ...]:
    """Return the shape of a chunk: that of the first box that is written."""
    if not math.prod(shape):
        return tuple(max(1, n) for n in shape)
    first = next(boxes(shape, max(1, _CHUNK_BYTES // max(dtype.itemsize, 1))))
    return tuple(along.stop - along.start for along in slices(shape, *first))


def _plain(value: Any) -> Any:
    """Turn the value of an attribute into what JSON has."""
    made = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
    try:
        json.dumps(made, allow_nan=True)
    except TypeError:
        return str(made)
    return made
