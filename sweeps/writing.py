"""Labelled arrays → datasets of an HDF5 group, labelled so that any reader understands them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import h5py
import numpy as np

from sweeps import h5
from sweeps.errors import OutputError
from sweeps.sheet import Array, Arrays, Copy, Output, all_sizes, as_output, auxiliary_names

# Slabs bound the memory. Small ones use the same memory again and again, which is twice as fast as
# touching new memory where that is slow, as on virtual machines.
SLAB_BYTES = 4 * 2**20
# What netCDF-C writes, and looks for, in a dimension scale that is no variable.
_NO_VARIABLE = "This is a netCDF dimension but not a netCDF variable.%10d"
# xarray up to 2025 turns floats with such units into timedelta64. UDUNITS' symbols mean the same
# and leave floats alone.
_SYMBOLS = {
    "days": "d",
    "hours": "h",
    "minutes": "min",
    "seconds": "s",
    "milliseconds": "ms",
    "microseconds": "us",
    "nanoseconds": "ns",
}
# netCDF-C's own fill values, by bytes.
_INTEGER_FILL = {1: -127, 2: -(2**15) + 1, 4: -(2**31) + 1, 8: -(2**63) + 2}


class Written(NamedTuple):
    """What came of writing.

    Attributes
    ----------
    scales : dict of str to h5py.Dataset
        The dimension scales, by name.
    left_out : list of (Copy, int)
        What is still to copy values, and to which place of the file, once HDF5 has closed it.
    """

    scales: dict[str, h5py.Dataset]
    left_out: list[tuple[Copy, int]]


def write(group: h5py.Group, arrays: Arrays) -> Written:
    """Write dimensions, coordinates and outputs into a group.

    Raises
    ------
    OutputError
        For an output whose missing points cannot be marked.
    """
    scales, left_out = _scales(group, arrays), list[tuple[Copy, int]]()
    for coordinate in arrays.coordinates:
        if not coordinate.is_axis:
            dataset = variable(group, as_output(coordinate), ())
            label(dataset, coordinate.dims, scales, coordinate.attrs)
    for output in arrays.outputs:
        dims = (*arrays.sizes, *output.dims)
        names = " ".join(auxiliary_names(arrays, dims))
        attrs = {**output.attrs, **({"coordinates": names} if names else {})}
        if output.copy is None:
            dataset = variable(group, output, tuple(arrays.sizes.values()))
        else:
            dataset = _reserve(group, output, tuple(arrays.sizes.values()))
            left_out.append((output.copy, dataset.id.get_offset()))
        label(dataset, dims, scales, attrs)
    return Written(scales, left_out)


def _scales(group: h5py.Group, arrays: Arrays) -> dict[str, h5py.Dataset]:
    """Make every dimension: its axis where there is one, else netCDF's bare dimension."""
    axes = {c.name: c for c in arrays.coordinates if c.is_axis}
    scales = {}
    for dim, size in all_sizes(arrays).items():
        if dim in axes:
            scale = variable(group, as_output(axes[dim]), ())
            scale.make_scale(dim)
            attributes(scale, axes[dim].attrs)
        else:
            scale = bare_dimension(group, dim, size)
        scales[dim] = scale
    return scales


def bare_dimension(group: h5py.Group, name: str, size: int) -> h5py.Dataset:
    """Make a dimension without a coordinate, as netCDF-C does."""
    scale = group.create_dataset(name, shape=(size,), dtype=">f4", track_order=True)
    scale.make_scale(_NO_VARIABLE % size)
    return scale


def variable(group: h5py.Group, output: Output, sizes: tuple[int, ...]) -> h5py.Dataset:
    """Make the dataset of an output and fill it, contiguous and uncompressed."""
    dtype, fills = _fills(output.dtype) if output.has_missing else (output.dtype, [None])
    stored, attrs = h5.storage(dtype)
    dataset = group.create_dataset(
        output.name,
        shape=(*sizes, *output.shape),
        dtype=h5.committed(group.file, stored),
        track_order=True,
    )
    fill = next((fill for fill in fills if _gather(dataset, output, sizes, dtype, fill)), ...)
    if fill is ...:
        raise OutputError(
            f"{output.name!r} has missing points and holds every value that could mark them "
            f"({', '.join(map(str, fills))}); return floats instead."
        )
    if dtype.kind == "M":
        fill = np.datetime64("NaT", "us")  # a point that is there may return NaT as well
    if fill is not None and dtype.kind not in "fc":
        dataset.attrs["_FillValue"] = h5.encode(np.asarray(fill))[0][()]
    attributes(dataset, attrs)
    return dataset


def _reserve(group: h5py.Group, output: Output, sizes: tuple[int, ...]) -> h5py.Dataset:
    """Make the dataset of an output as `variable` does, and leave it to be filled."""
    stored, attrs = h5.storage(output.dtype)
    dtype = h5.committed(group.file, stored)
    dataset = h5.reserve(group, output.name, (*sizes, *output.shape), dtype)
    attributes(dataset, attrs)
    return dataset


def _fills(dtype: np.dtype[Any]) -> tuple[np.dtype[Any], list[Any]]:
    """Decide the dtype in which missing values can be told, and what tells them, by preference.

    Integers of less than 8 bytes get the next wider dtype, so that no value of theirs can be the
    fill value: an image uses all 256 values of a byte, a saturated camera the 65535 that is
    netCDF's own choice for uint16. xarray makes floats of integers with a fill value anyhow.
    A bool with a fill value loses its ``dtype="bool"``: missing would read as True.
    """
    if dtype.kind in "fc":
        return dtype, [dtype.type(np.nan) * dtype.type(1j if dtype.kind == "c" else 1)]
    if dtype.kind == "M":
        return dtype, [np.datetime64("NaT")]
    if dtype.kind == "b":
        return np.dtype(np.int8), [np.int8(_INTEGER_FILL[1])]
    if dtype.kind in "iu" and dtype.itemsize < 8:
        wider = np.dtype(f"i{2 * dtype.itemsize}")
        return wider, [wider.type(_INTEGER_FILL[wider.itemsize])]
    if dtype.kind == "i":
        return dtype, [np.int64(value) for value in (_INTEGER_FILL[8], 2**63 - 1)]
    if dtype.kind == "u":
        return dtype, [np.uint64(value) for value in (2**64 - 2, 2**63)]
    return np.dtype(object), ["", "missing", "<missing>"]


def _gather(
    dataset: h5py.Dataset, output: Output, sizes: tuple[int, ...], dtype: np.dtype[Any], fill: Any
) -> bool:
    """Write slab by slab, one write each; False if a value that is there equals the fill value."""
    point_bytes = max(1, math.prod(output.shape)) * max(1, dtype.itemsize)
    for start, stop, box in _slabs(sizes, max(1, SLAB_BYTES // point_bytes)):
        values, missing = output.read(start, stop)
        mask = np.zeros(len(values), bool) if missing is None else missing
        mask = mask.reshape(mask.shape + (1,) * (values.ndim - mask.ndim))
        if fill is None and mask.any():
            raise ValueError(f"{output.name!r} has missing values, but has_missing is False")
        if fill is not None:
            if np.any(_alike(values, fill) & ~mask):
                return False
            values = np.where(mask, fill, values.astype(dtype, copy=False))
        stored, _ = h5.encode(values.astype(dtype, copy=False))
        shape = (*(along.stop - along.start for along in box), *output.shape)
        dataset[box] = stored.reshape(shape)
    return True


def _alike(values: Array, fill: Any) -> Array:
    """Find what a reader takes for the fill value; xarray makes floats of integers, then looks."""
    if values.dtype.kind in "iu":
        values, fill = values.astype(float), float(fill)
    alike: Array = values == fill
    return alike


def _slabs(sizes: Sequence[int], n_most: int) -> Iterator[tuple[int, int, tuple[slice, ...]]]:
    """Cut the points into runs of at most `n_most`, each a box of the space.

    Yields
    ------
    start, stop : int
        Of the flattened space.
    box : tuple of slice
        The same points, as an index of the space.

    Examples
    --------
    >>> for start, stop, box in _slabs((2, 3), 2):
    ...     print(start, stop, box)
    0 2 (slice(0, 1, None), slice(0, 2, None))
    2 3 (slice(0, 1, None), slice(2, 3, None))
    3 5 (slice(1, 2, None), slice(0, 2, None))
    5 6 (slice(1, 2, None), slice(2, 3, None))
    """
    if not sizes:
        yield 0, 1, ()
        return
    first, *rest = sizes
    row = math.prod(rest)
    if row > n_most:
        for index in range(first):
            for start, stop, box in _slabs(rest, n_most):
                yield index * row + start, index * row + stop, (slice(index, index + 1), *box)
        return
    step = n_most // max(row, 1)
    for index in range(0, first, step):
        end = min(index + step, first)
        yield index * row, end * row, (slice(index, end), *(slice(0, size) for size in rest))


def label(
    dataset: h5py.Dataset,
    dims: Sequence[str],
    scales: Mapping[str, h5py.Dataset],
    attrs: Mapping[str, Any],
) -> None:
    """Give a dataset its dimensions and attributes."""
    for dimension, dim in zip(dataset.dims, dims, strict=True):
        dimension.attach_scale(scales[dim])
    attributes(dataset, attrs)


def attributes(target: h5py.Group | h5py.Dataset, attrs: Mapping[str, Any]) -> None:
    """Set attributes, save those which say how values are stored: they are there already."""
    for name, value in attrs.items():
        if name in target.attrs:
            continue
        if isinstance(value, str):
            text = h5.text(value)
            target.attrs[name] = _SYMBOLS.get(text, text) if name == "units" else text
        elif isinstance(value, bool):
            target.attrs[name] = int(value)  # h5py's bool is an enum, which netCDF4 refuses
        elif isinstance(value, int) and not -(2**63) <= value < 2**63:
            target.attrs[name] = str(value)  # a seed may have 128 bits
        else:
            target.attrs[name] = value
