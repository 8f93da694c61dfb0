"""What a results file holds that can be drawn: variables, dimensions, the state of each point."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sweeps.storage import dataset
from sweeps.storage.hdf5 import GROUP, SUMMARY

if TYPE_CHECKING:
    import xarray

MISSING, DONE, FAILED, EXCLUDED = 0, 1, 2, 3
"""Values of the variable `status` of a results file."""

_TEXT_OBJECTS = (str, bytes, type(None))


@dataclasses.dataclass(frozen=True, eq=False)
class Content:
    """Variables that share dimensions, ready to be drawn.

    Attributes
    ----------
    dataset : xarray.Dataset
        Every dimension has a coordinate that increases, except lists of points.
    status : xarray.DataArray or None
        State of each point, over the dimensions of the space.
    lists : dict of str to tuple of str
        Dimensions along which several parameters vary together, with these.
    """

    name: str
    dataset: xarray.Dataset
    status: xarray.DataArray | None
    lists: dict[str, tuple[str, ...]]
    is_summary: bool = False

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the variables that can be drawn."""
        return tuple(map(str, self.dataset.data_vars))

    @property
    def space_dims(self) -> tuple[str, ...]:
        """Dimensions of the space; the others are of array outputs."""
        return () if self.status is None else tuple(map(str, self.status.dims))

    @property
    def axes(self) -> tuple[str, ...]:
        """Names that an axis can have: dimensions and parameters."""
        dims = [str(dim) for dim in self.dataset.dims if dim not in self.lists]
        return (*dims, *(name for names in self.lists.values() for name in names))


def read(path: Path) -> Content:
    """Read the results of a file.

    Raises
    ------
    StorageError
        If there is no such file, or it cannot be read.
    """
    import xarray

    found = dataset.read(path).dataset
    state = dataset.read(path, GROUP).dataset.variables.get("status")
    dims = () if state is None else tuple(map(str, state.dims))
    if state is None or not set(dims) <= set(found.sizes):  # another program wrote the file
        return of(path.stem, found, None)
    return of(path.stem, found, xarray.DataArray(state.values, dims=dims))


def read_summary(path: Path) -> Content | None:
    """Read the summary of a results file; None if it has none."""
    import h5py

    from sweeps.storage import hdf5_foreign

    with hdf5_foreign.open_read(path) as file:
        if not isinstance(file.get(SUMMARY), h5py.Group):
            return None
    found = of(path.stem, dataset.read(path, SUMMARY).dataset, None)
    return dataclasses.replace(found, is_summary=True)


def of(name: str, found: xarray.Dataset, status: xarray.DataArray | None) -> Content:
    """Give every dimension a coordinate, and its values an order."""
    lists: dict[str, tuple[str, ...]] = {}
    parts = found if status is None else found.assign(_status=status)
    for dim in map(str, found.dims):
        along = [str(n) for n, v in found.coords.items() if v.dims == (dim,) and n != dim]
        if dim in found.coords and found.coords[dim].dims == (dim,):
            pass
        elif len(along) == 1 and found.coords[along[0]].to_index().is_unique:
            parts = parts.swap_dims({dim: along[0]})
        elif along:
            lists[dim] = tuple(along)
        else:
            parts = parts.assign_coords({dim: np.arange(found.sizes[dim])})
    for dim in map(str, parts.dims):
        if dim not in lists and kind(parts[dim]) in ("number", "date", "duration"):
            index = parts.indexes[dim]
            parts = parts if index.is_monotonic_increasing else parts.sortby(dim)
    state = None if status is None else parts["_status"]
    return Content(name, parts.drop_vars("_status", errors="ignore"), state, lists)


def kind(variable: xarray.DataArray) -> str:
    """Name the kind of a variable's values: number, boolean, complex, text, date or duration."""
    letter = variable.dtype.kind
    if letter == "f" and _was_boolean(variable):
        return "boolean"
    if letter in "USOT":
        return "text" if letter != "O" else _kind_of_objects(variable.values)
    kinds = {"b": "boolean", "c": "complex", "M": "date", "m": "duration"}
    return kinds.get(letter, "number" if letter in "iuf" else "other")


def _was_boolean(variable: xarray.DataArray) -> bool:
    """Whether floats are booleans some of which are missing; an int8 would be stored as int16."""
    fill = variable.encoding.get("_FillValue")
    return variable.encoding.get("dtype") == np.int8 and fill is not None


def _kind_of_objects(objects: Any) -> str:
    """Texts with missing ones are objects, and so are dates of calendars that numpy lacks."""
    for one in objects.flat:
        if one is None or one != one:
            continue
        if isinstance(one, _TEXT_OBJECTS):
            return "text"
        return "date" if hasattr(one, "calendar") else "other"
    return "text"
