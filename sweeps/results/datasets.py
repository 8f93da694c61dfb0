"""Write labelled arrays as datasets of an HDF5 group that any reader of netCDF-4 understands."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import h5py
import numpy as np

from sweeps.errors import OutputError
from sweeps.results.contents import Array, Arrays, Coordinate, Copy, Output
from sweeps.storage import hdf5, hdf5_write, kinds

# Slabs bound the memory. Small ones use the same memory again, which is twice as fast as new memory
# on virtual machines.
SLAB_BYTES = 4 * 2**20

# netCDF-C writes and expects this in a dimension scale that is not a variable.
_NO_VARIABLE = "This is a netCDF dimension but not a netCDF variable.%10d"

# xarray up to 2025 turns floats with such units into timedelta64. The symbols of UDUNITS mean the
# same and leave floats alone.
_SYMBOLS = {
    "days": "d",
    "hours": "h",
    "minutes": "min",
    "seconds": "s",
    "milliseconds": "ms",
    "microseconds": "us",
    "nanoseconds": "ns",
}

_MANY = 2**12

# As HDF5 declares it.
_USER = np.dtype([("dataset", h5py.ref_dtype), ("dimension", np.intc)], align=True)


class Written(NamedTuple):
    """What is left to do after writing.

    Attributes
    ----------
    scales : dict of str to Scale
        The dimension scales, by name; call `refer_back` when all datasets are written.
    left_out : list of (Copy, int)
        Calls that copy values, each with the offset in the file, after HDF5 has closed it.
    """

    scales: dict[str, Scale]
    left_out: list[tuple[Copy, int]]


class Scale(NamedTuple):
    """A dimension scale, and the datasets and axes that use it."""

    dataset: h5py.Dataset
    users: list[tuple[h5py.Reference, int]]


def _is_axis(coordinate: Coordinate) -> bool:
    """Whether it is the coordinate of a dimension."""
    return coordinate.dims == (coordinate.name,)


def as_output(coordinate: Coordinate) -> Output:
    """Turn a coordinate into the output of a single point."""
    values, missing = coordinate.values, coordinate.missing

    def read(start: int, stop: int) -> tuple[Array, Array | None]:
        return values[np.newaxis], None if missing is None else missing[np.newaxis]

    return Output(
        name=coordinate.name,
        dtype=values.dtype,
        dims=coordinate.dims,
        shape=values.shape,
        attrs=coordinate.attrs,
        has_missing=missing is not None and bool(missing.any()),
        read=read,
    )


def _all_sizes(arrays: Arrays) -> dict[str, int]:
    """Collect the sizes of all dimensions: the space's, then those of outputs, then the others.

    Sizes that disagree, and an output with two dimensions of one name, are refused.
    """
    sizes = dict(arrays.sizes)
    labelled = [(output.name, output.dims, output.shape) for output in arrays.outputs]
    labelled += [(c.name, c.dims, c.values.shape) for c in arrays.coordinates]
    for name, dims, shape in labelled:
        for dim, size in zip(dims, shape, strict=True):
            if sizes.setdefault(dim, size) != size:
                raise OutputError(
                    f"{name!r} has {size} values along {dim!r}, which has {sizes[dim]} elsewhere; "
                    "give its dimension its own name."
                )
    for output in arrays.outputs:
        if len({*arrays.sizes, *output.dims}) < len(arrays.sizes) + len(output.dims):
            raise OutputError(
                f"{output.name!r} has the dimensions {(*arrays.sizes, *output.dims)}, "
                "of which two have the same name; rename one."
            )
    return sizes


def check_names(arrays: Arrays, groups: Collection[str] = ()) -> None:
    """Refuse names that some reader does not allow or cannot tell apart.

    `groups` are names of groups that stand beside the arrays.
    """
    auxiliary = [c.name for c in arrays.coordinates if not _is_axis(c)]
    names = [*_all_sizes(arrays), *auxiliary, *(output.name for output in arrays.outputs)]
    for name in names:
        hdf5.check_name(name)
    for name in auxiliary:
        if " " in name:
            raise OutputError(
                f"cannot name a coordinate {name!r}: in CF, spaces separate the names of "
                "coordinates."
            )
    for group in hdf5.clashing([*names, *groups]):
        listed = " and ".join(map(repr, group))
        raise OutputError(f"the names {listed} are the same to some programs; rename one.")


def reserve(file: h5py.File, arrays: Arrays) -> dict[str, h5py.Dataset]:
    """Reserve the places of outputs in a draft, before all else in the file; nameless still."""
    own = [each for each in arrays.outputs if each.stretch is not None]
    own.sort(key=lambda each: each.stretch.offset if each.stretch is not None else 0)
    sizes = tuple(arrays.sizes.values())
    made = hdf5_write.reserve(file, [((*sizes, *each.shape), each.dtype) for each in own])
    return {each.name: dataset for each, dataset in zip(own, made, strict=True)}


def write(
    group: h5py.Group, arrays: Arrays, reserved: Mapping[str, h5py.Dataset] | None = None
) -> Written:
    """Write dimensions, coordinates and outputs into a group.

    `reserved` are datasets of outputs that have no names yet.
    """
    scales, left_out = _scales(group, arrays), list[tuple[Copy, int]]()
    auxiliary = [c for c in arrays.coordinates if not _is_axis(c)]
    for coordinate in auxiliary:
        dataset = variable(group, as_output(coordinate), ())
        label(dataset, coordinate.dims, scales, coordinate.attrs)
    for output in arrays.outputs:
        dims = (*arrays.sizes, *output.dims)
        names = " ".join(c.name for c in auxiliary if {*c.dims} <= {*dims})
        attrs = {**output.attrs, **({"coordinates": names} if names else {})}
        if output.copy is None:
            dataset = variable(group, output, tuple(arrays.sizes.values()))
        else:
            dataset = _named(group, output, tuple(arrays.sizes.values()), reserved or {})
            left_out.append((output.copy, dataset.id.get_offset()))
        if dataset.dtype.kind == "f":  # without it GDAL shows 0 for NaN, and CDO counts NaN
            attrs = {"_FillValue": dataset.dtype.type(np.nan), **attrs}
        label(dataset, dims, scales, attrs)
    return Written(scales, left_out)


def _scales(group: h5py.Group, arrays: Arrays) -> dict[str, Scale]:
    """Make every dimension: its axis if there is one, else a dimension without coordinate."""
    axes = {c.name: c for c in arrays.coordinates if _is_axis(c)}
    scales = {}
    for dim, size in _all_sizes(arrays).items():
        if dim in axes:
            scale = variable(group, as_output(axes[dim]), ())
            scale.make_scale(dim)
            attributes(scale, axes[dim].attrs)
        else:
            scale = bare_dimension(group, dim, size)
        scales[dim] = Scale(scale, [])
    return scales


def bare_dimension(group: h5py.Group, name: str, size: int) -> h5py.Dataset:
    """Make a dimension without a coordinate, as netCDF-C does."""
    scale = group.create_dataset(name, shape=(size,), dtype=">f4", track_order=True)
    scale.make_scale(_NO_VARIABLE % size)
    return scale


def characters(group: h5py.Group, name: str, text: str) -> h5py.Dataset:
    """Write a long text as characters of netCDF: ncinfo of Octave fails with strings."""
    raw = np.frombuffer(text.encode(), "S1") if text else np.array(b"", "S1")
    dataset = group.create_dataset(name, data=raw, track_order=True)
    attributes(dataset, {"_Encoding": "utf-8"})
    if raw.ndim:
        dataset.dims[0].attach_scale(bare_dimension(group, f"{name}_bytes", len(raw)))
    return dataset


def variable(group: h5py.Group, output: Output, sizes: tuple[int, ...]) -> h5py.Dataset:
    """Make the dataset of an output and fill it, contiguous and uncompressed."""
    kind = kinds.of(output.dtype)
    dtype, fills = output.dtype, iter([None])
    if output.has_missing:
        dtype, fills = kind.fills(output.dtype)
    stored, attrs = hdf5.storage(dtype)
    dataset = group.create_dataset(
        output.name, shape=(*sizes, *output.shape), dtype=stored, track_order=True
    )
    fill = next(fills)
    if not _gather(dataset, output, sizes, dtype, fill):
        fill = _untaken(output, sizes, dtype, fills)
        _gather(dataset, output, sizes, dtype, fill)
    if kind.has_nat:
        fill = dtype.type("NaT", "us")  # a point that is done may also return NaT
    if fill is not None and dtype.kind not in "fc":
        stored_fill = dataset.attrs["_FillValue"] = hdf5.encode(np.asarray(fill))[0][()]
        if stored.kind in "iu" and stored.itemsize == 8:  # CDO looks only for this one there
            dataset.attrs["missing_value"] = float(stored_fill)
    attributes(dataset, attrs)
    return dataset


def _named(
    group: h5py.Group,
    output: Output,
    sizes: tuple[int, ...],
    reserved: Mapping[str, h5py.Dataset],
) -> h5py.Dataset:
    """Make the dataset of an output as `variable` does, without values; one may be reserved."""
    stored, attrs = hdf5.storage(output.dtype)
    if output.name in reserved:
        dataset = group[output.name] = reserved[output.name]
    else:
        dataset = hdf5.reserve(group, output.name, (*sizes, *output.shape), stored)
    attributes(dataset, attrs)
    return dataset


def _untaken(
    output: Output, sizes: tuple[int, ...], dtype: np.dtype[Any], fills: Iterator[Any]
) -> Any:
    """Find the first fill value that no value equals."""
    while True:
        some = list(itertools.islice(fills, _MANY))
        wanted = {_as_read(np.asarray(fill)).item(): fill for fill in some}
        for start, stop, _ in _pieces(output, sizes, dtype):
            values, _ = output.read(start, stop)
            for taken in wanted.keys() & {*_as_read(values).ravel().tolist()}:
                del wanted[taken]
        if wanted:
            return next(iter(wanted.values()))


def _pieces(
    output: Output, sizes: tuple[int, ...], dtype: np.dtype[Any]
) -> Iterator[tuple[int, int, tuple[slice, ...]]]:
    point_bytes = max(1, math.prod(output.shape)) * max(1, dtype.itemsize)
    return slabs(sizes, max(1, SLAB_BYTES // point_bytes))


def _gather(
    dataset: h5py.Dataset, output: Output, sizes: tuple[int, ...], dtype: np.dtype[Any], fill: Any
) -> bool:
    """Write slab by slab, one write each; False if a value equals the fill value."""
    for start, stop, box in _pieces(output, sizes, dtype):
        values, missing = output.read(start, stop)
        if fill is None and missing is not None and missing.any():
            raise ValueError(f"{output.name!r} has missing values, but has_missing is False")
        if fill is not None:
            mask = np.zeros(len(values), bool) if missing is None else missing
            mask = mask.reshape(mask.shape + (1,) * (values.ndim - mask.ndim))
            if np.any((_as_read(values) == _as_read(np.asarray(fill))) & ~mask):
                return False
            values = np.where(mask, fill, values.astype(dtype, copy=False))
        stored, _ = hdf5.encode(values.astype(dtype, copy=False))
        shape = (*(along.stop - along.start for along in box), *output.shape)
        dataset[box] = stored.reshape(shape)
    return True


def _as_read(values: Array) -> Array:
    """Return what a reader compares with the fill value: xarray makes floats of integers first."""
    return values.astype(float) if values.dtype.kind in "iu" else values


def slabs(sizes: Sequence[int], n_most: int) -> Iterator[tuple[int, int, tuple[slice, ...]]]:
    """Cut the points into runs of at most `n_most`, each a box of the space.

    Yields
    ------
    start, stop : int
        Of the flattened space.
    box : tuple of slice
        The same points, as an index of the space.

    Examples
    --------
    >>> for start, stop, box in slabs((2, 3), 2):
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
            for start, stop, box in slabs(rest, n_most):
                yield index * row + start, index * row + stop, (slice(index, index + 1), *box)
        return
    step = n_most // max(row, 1)
    for index in range(0, first, step):
        end = min(index + step, first)
        yield index * row, end * row, (slice(index, end), *(slice(0, size) for size in rest))


def label(
    dataset: h5py.Dataset,
    dims: Sequence[str],
    scales: Mapping[str, Scale],
    attrs: Mapping[str, Any],
) -> None:
    """Give a dataset its dimensions and attributes."""
    if dims:
        reference = dataset.ref
        lists = np.empty(len(dims), object)
        for axis, dim in enumerate(dims):
            lists[axis] = np.array([scales[dim].dataset.ref], h5py.ref_dtype)
            scales[dim].users.append((reference, axis))
        dataset.attrs.create("DIMENSION_LIST", lists, dtype=h5py.vlen_dtype(h5py.ref_dtype))
    attributes(dataset, attrs)


def refer_back(scales: Mapping[str, Scale]) -> None:
    """Write into each scale which datasets use it.

    The function of HDF5 writes the whole list again for each dataset: 500 MB for 8,000 outputs.
    """
    for scale in scales.values():
        if scale.users:
            users = np.array(scale.users, _USER)
            scale.dataset.attrs.create("REFERENCE_LIST", users, dtype=_USER)


def symbol(unit: str) -> str:
    """Return the symbol of a unit of time, which xarray takes for no time difference."""
    return _SYMBOLS.get(unit, unit)


def attributes(target: h5py.Group | h5py.Dataset, attrs: Mapping[str, Any]) -> None:
    """Set attributes, except those that say how values are stored, which exist already."""
    is_own = "dtype" in attrs  # as `hdf5.storage` says it: xarray is to decode such units
    for name, value in attrs.items():
        if name in target.attrs:
            continue
        if isinstance(value, str):
            text = symbol(value) if name == "units" and not is_own else value
            target.attrs[name] = hdf5.fixed(text)
        elif isinstance(value, bool):
            target.attrs[name] = int(value)  # a bool of h5py is an enum, which netCDF4 refuses
        elif isinstance(value, int) and not -(2**63) <= value < 2**63:
            target.attrs[name] = hdf5.fixed(str(value))  # a seed may have 128 bits
        else:
            target.attrs[name] = value
