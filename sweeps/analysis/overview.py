"""Short tables of a dataset: its first points, statistics of its outputs, its summary."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sweeps.storage import kinds

if TYPE_CHECKING:
    import xarray


@dataclasses.dataclass(frozen=True)
class Statistics:
    """Statistics of one output; the numbers are None if it holds no numbers.

    Attributes
    ----------
    count, missing : int
        Numbers of present and missing values.
    min, mean, max, std : float or None
        Over the present values.
    """

    name: str
    units: str
    dims: tuple[str, ...]
    dtype: str
    count: int
    missing: int
    min: float | int | None = None
    mean: float | None = None
    max: float | int | None = None
    std: float | None = None
    long_name: str = ""


@dataclasses.dataclass(frozen=True)
class Table:
    """The first values of some variables, and of their coordinates."""

    header: tuple[str, ...]
    rows: list[list[Any]]


@dataclasses.dataclass(frozen=True)
class SummaryView:
    """A short view of the summary in a results file.

    Attributes
    ----------
    scalars : Table
        Name, value and units of each variable without dimensions.
    tables : list of Table
        One for all variables with the same dimensions.
    outputs : list of Statistics
        For variables with more values than a table has rows.
    """

    scalars: Table
    tables: list[Table]
    outputs: list[Statistics]


def summarized(dataset: xarray.Dataset, n_rows: int) -> SummaryView:
    """Make the view of a summary."""
    alike: dict[tuple[str, ...], list[str]] = {}
    stored = dataset.variables
    for name in dataset.data_vars:
        alike.setdefault(tuple(map(str, stored[name].dims)), []).append(str(name))
    scalars = [
        [name, scalar(stored[name]), str(stored[name].attrs.get("units", ""))]
        for name in alike.pop((), ())
    ]
    tables = []
    for dims, names in alike.items():
        own = {name: {*stored[name].dims} for name in dataset.coords}
        along = [str(name) for name, its in own.items() if its and its <= {*dims}]
        header = (*along, *names)
        tables.append(Table(header, rows_of(dataset, dims, header, n_rows)))
    big = [name for name in dataset.data_vars if stored[name].size > max(n_rows, 1)]
    many = [statistics(str(name), stored[name]) for name in big]
    return SummaryView(Table(("name", "value", "units"), scalars), tables, many)


def statistics(name: str, array: xarray.DataArray | xarray.Variable) -> Statistics:
    """Describe one output."""
    content = array.values
    missing = is_missing(array)
    numbers: tuple[Any, ...] = ()
    present = content[~missing]
    if present.size and present.dtype.kind in "iu":
        low, high = int(present.min()), int(present.max())
        above = present.astype(np.uint64) - np.uint64(low % 2**64)  # exact beyond 2^53 too
        numbers = (low, low + float(above.mean(dtype=float)), high, float(above.std(dtype=float)))
    elif present.size and present.dtype.kind in "bf":
        with np.errstate(all="ignore"):  # infinities have no mean
            numbers = (
                float(present.min()),
                float(present.mean(dtype=float)),
                float(present.max()),
                float(present.std(dtype=float)),
            )
    made = Statistics(
        name,
        str(array.attrs.get("units", "")),
        tuple(map(str, array.dims)),
        _kind(present) if content.dtype.kind in "OUT" else str(content.dtype),
        int(present.size),
        int(np.count_nonzero(missing)),
        *numbers,
    )
    return dataclasses.replace(made, long_name=str(array.attrs.get("long_name", "")))


def _kind(objects: Any) -> str:
    """Type of objects: strings, or dates of cftime."""
    return type(objects.flat[0]).__name__ if objects.size else "str"


def is_missing(array: xarray.DataArray | xarray.Variable) -> npt.NDArray[np.bool_]:
    """Find missing values, for integers by their fill value."""
    if "_FillValue" in array.attrs:
        return np.asarray(array.values == array.attrs["_FillValue"])
    return np.asarray(array.isnull().values)


def rows_of(
    dataset: xarray.Dataset, dims: tuple[str, ...], names: tuple[str, ...], n_rows: int
) -> list[list[Any]]:
    """First points of a dataset, in the order of the space, as Python values."""
    shape = tuple(dataset.sizes[dim] for dim in dims)
    rows = []
    for flat in range(min(n_rows, math.prod(shape))):
        at = dict(zip(dims, map(int, np.unravel_index(flat, shape)), strict=True))
        own = (dataset.variables[name] for name in names)
        rows.append([scalar(a.isel({d: at[d] for d in map(str, a.dims)})) for a in own])
    return rows


def scalar(array: xarray.DataArray | xarray.Variable) -> Any:
    """A Python value; NaN for a missing number, None for a missing string or time."""
    value = array.values
    if value.dtype.kind in "iu" and is_missing(array):
        return math.nan
    content = kinds.of(value.dtype).item(value)
    if value.dtype.kind == "O":
        return None if content != content else str(content)
    return content
