"""A results file that is read box by box of its space, so that no table need fit in memory."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import numpy.typing as npt

from sweeps.storage import calendars, hdf5, hdf5_foreign, hdf5_open
from sweeps.storage.dataset import read
from sweeps.storage.hdf5 import DTYPES, GROUP, STATUS

if TYPE_CHECKING:
    import xarray

Array = npt.NDArray[Any]

_BOX_BYTES = 2**24
"""What one variable takes of memory at a time; objects take several times as much."""

_MOST_ROWS = 2**16


@dataclass(frozen=True)
class Values:
    """Values of a variable at some points: shape (n_points, *own dimensions).

    Attributes
    ----------
    missing : ndarray of bool
        Of the shape of `values`.
    """

    values: Array
    missing: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Source:
    """A results file, opened.

    Attributes
    ----------
    dataset : xarray.Dataset
        Lazy, with integers as they are.
    dims : tuple of str
        Of the space.
    status : ndarray of int8, shape (n_points,)
        As in `STATUS`.
    own_dtypes : mapping of str to str
        Of integers and booleans that are stored as wider ones for the sake of missing points.
    """

    path: Path
    dataset: xarray.Dataset
    dims: tuple[str, ...]
    status: npt.NDArray[np.int8]
    own_dtypes: dict[str, str]

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the space."""
        return tuple(self.dataset.sizes[dim] for dim in self.dims)

    def own_dims(self, name: str) -> tuple[str, ...]:
        """Dimensions of a variable besides those of the space."""
        return tuple(d for d in map(str, self.dataset.variables[name].dims) if d not in self.dims)

    def dtype(self, name: str, *, decodes: bool = True) -> np.dtype[Any]:
        """Return the dtype of a variable where it is not missing; strings are objects.

        So are dates of calendars that numpy does not have, unless they stay numbers.
        """
        variable = self.dataset.variables[name]
        own: np.dtype[Any] = variable.dtype
        if own.kind in "iuf" and decodes and self._is_odd_date(name):
            return np.dtype(object)
        is_wider = own.kind in "iu" and name in self.own_dtypes
        return np.dtype(self.own_dtypes[name]) if is_wider else own

    def _is_odd_date(self, name: str) -> bool:
        attrs = self.dataset.variables[name].attrs
        return calendars.is_date(attrs) and calendars.is_readable(attrs)

    def is_text(self, name: str) -> bool:
        """Whether a variable holds strings."""
        return self.dtype(name).kind in "OUT" and self.dataset.variables[name].dtype.kind in "OUT"

    def boxes(self, n_most: int = 0) -> Iterator[tuple[int, int]]:
        """Cut the points, in C order, into runs that are boxes of the space."""
        yield from boxes(self.shape, n_most or self._rows_of_box())

    def _rows_of_box(self) -> int:
        stored = self.dataset.variables.values()
        along = set(self.dims)
        n_bytes = (
            math.prod(n for d, n in v.sizes.items() if d not in along) * v.dtype.itemsize
            for v in stored
            if along & set(v.dims)
        )
        return max(1, min(_MOST_ROWS, _BOX_BYTES // int(max([1, *n_bytes]))))

    def read(self, name: str, start: int, stop: int, *, decodes: bool = True) -> Values:
        """Read a variable at the points of a box.

        One that does not have all dimensions of the space is repeated along the others.
        """
        variable = self.dataset.variables[name]
        box = dict(zip(self.dims, slices(self.shape, start, stop), strict=True))
        part = variable.isel({d: box[d] for d in map(str, variable.dims) if d in box})
        found = self._values(name, part, decodes=decodes)
        sizes = tuple(along.stop - along.start for along in box.values())
        rest = self.own_dims(name)
        tail = tuple(self.dataset.sizes[dim] for dim in rest)
        own = tuple(map(str, part.dims))
        lacking = tuple(dim for dim in self.dims if dim not in own)
        order = [(*lacking, *own).index(dim) for dim in (*self.dims, *rest)]

        def laid_out(given: Array) -> Array:
            along = given.reshape((1,) * len(lacking) + given.shape).transpose(order)
            return np.broadcast_to(along, (*sizes, *tail)).reshape((stop - start, *tail))

        return Values(laid_out(found.values), laid_out(found.missing))

    def read_whole(self, name: str, *, decodes: bool = False) -> Values:
        """Read a variable in full, with its own dimensions alone."""
        return self._values(name, self.dataset.variables[name], decodes=decodes)

    def _values(self, name: str, part: xarray.Variable, *, decodes: bool) -> Values:
        """Read values in their own dtype; those that are missing are of any value."""
        with hdf5_open.damaged(self.path):
            content = np.asarray(part.values)
        missing = np.broadcast_to(_missing(content, part.attrs), content.shape)
        dtype = self.dtype(name, decodes=decodes)
        if dtype.kind == "O" and content.dtype.kind in "iuf":  # dates of another calendar
            numbers = type(part)(part.dims, content, part.attrs)
            content = np.asarray(calendars.decoded(numbers, coder=True).values, dtype=object)
        elif dtype.kind in "biu" and content.dtype != dtype:
            content = np.where(missing, content.dtype.type(0), content).astype(dtype)
        return Values(content, missing)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Source]:
    """Open a results file; it is read as it is now, even if a run replaces it meanwhile.

    Raises
    ------
    StorageError
        If there is no such file, or it cannot be read.
    """
    dataset = read(path, masked=False, is_lazy=True).dataset
    with dataset:
        with hdf5_foreign.open_read(path) as file, hdf5_open.damaged(path):
            dims = point_dims(file, dataset)
            shape = tuple(dataset.sizes[dim] for dim in dims)
            stored = file.get(f"{GROUP}/status")
            status = np.full(math.prod(shape), STATUS["done"], dtype=np.int8)
            if isinstance(stored, h5py.Dataset) and stored.shape == shape:
                status = stored[()].astype(np.int8).reshape(-1)
            own = _own_dtypes(file)
        yield Source(path, dataset, dims, status, own)


def point_dims(file: h5py.File, dataset: xarray.Dataset) -> tuple[str, ...]:
    """Dimensions of the space: those of the variable `status`.

    If another program wrote the file, those that all variables share.
    """
    status = file.get(f"{GROUP}/status")
    if isinstance(status, h5py.Dataset) and all(len(dim) for dim in status.dims):
        dims = tuple(dim[0].name.rpartition("/")[2] for dim in status.dims)
        if set(dims) <= set(dataset.sizes):
            return dims
    shared = [set(map(str, dataset.variables[name].dims)) for name in dataset.data_vars]
    common = set.intersection(*shared) if shared else set()
    return tuple(dim for dim in map(str, dataset.sizes) if dim in common)


def _own_dtypes(file: h5py.File) -> dict[str, str]:
    group = file.get(GROUP)
    if not isinstance(group, h5py.Group) or DTYPES not in group.attrs:
        return {}
    try:
        held = json.loads(str(hdf5.plain(group.attrs[DTYPES])))
    except ValueError:
        return {}
    own = held if isinstance(held, dict) else {}
    return {n: d for n, d in own.items() if d in _INTEGERS}


_INTEGERS = frozenset(np.dtype(code).str for code in ("?", *"bhilq", *"BHILQ"))


def _missing(content: Array, attrs: Any) -> npt.NDArray[np.bool_]:
    if content.dtype.kind in "iu":
        fill = attrs.get("_FillValue")
        return np.asarray(content == fill) if fill is not None else np.zeros((), dtype=bool)
    if content.dtype.kind == "O":  # NaN is the only thing that is not equal to itself
        return np.asarray((content != content) | (content == None), dtype=bool)  # noqa: E711
    if content.dtype.kind in "fcmM":
        return np.asarray(np.isnat(content) if content.dtype.kind in "mM" else np.isnan(content))
    return np.zeros((), dtype=bool)


def boxes(shape: tuple[int, ...], n_most: int) -> Iterator[tuple[int, int]]:
    """Cut a space into boxes of at most `n_most` points.

    Examples
    --------
    >>> list(boxes((2, 3), 2)), list(boxes((4, 2), 4)), list(boxes((), 9))
    ([(0, 2), (2, 3), (3, 5), (5, 6)], [(0, 4), (4, 8)], [(0, 1)])
    """
    inner = 1  # points of a full box of the last dimensions
    for n_along in reversed(shape):
        if inner * n_along > n_most:
            break
        inner *= n_along
    else:
        n_along = 1
    step = max(1, n_most // max(inner, 1)) * inner
    row = inner * n_along
    for start in range(0, math.prod(shape), max(row, 1)):
        for at in range(start, start + row, step):
            yield at, min(at + step, start + row)


def slices(shape: tuple[int, ...], start: int, stop: int) -> tuple[slice, ...]:
    """Return a box as an index of the space.

    Examples
    --------
    >>> slices((2, 3), 3, 5)
    (slice(1, 2, None), slice(0, 2, None))
    """
    if not shape:
        return ()
    low, high = zip(*np.unravel_index((start, stop - 1), shape), strict=True)
    return tuple(slice(int(a), int(b) + 1) for a, b in zip(low, high, strict=True))
