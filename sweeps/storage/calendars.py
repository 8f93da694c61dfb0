"""Dates of calendars that numpy does not have, such as 360_day: cftime's objects ↔ numbers of CF.

Numbers that say what they count from, ``days since 2020-01-01``, are dates to whoever decodes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from sweeps.errors import OutputError
from sweeps.storage import hdf5
from sweeps.storage.hdf5 import Array

if TYPE_CHECKING:
    import xarray


_UNITS = "microseconds since 1970-01-01 00:00:00"

_NUMPYS = frozenset({"standard", "gregorian", "proleptic_gregorian"})

_STORED = frozenset({"_FillValue", "missing_value", "scale_factor", "add_offset"})


def encoded(shown: str, value: Any) -> tuple[Any, dict[str, str]]:
    """Make integers of cftime's dates, which are exact, and say what they count.

    Other values are returned as they are, without attributes.

    Raises
    ------
    OutputError
        Beginning with `shown`, for dates of different calendars.
    """
    import cftime

    has_objects = isinstance(value, np.ndarray) and value.dtype.kind == "O"
    if not has_objects and not isinstance(value, (list, cftime.datetime)):
        return value, {}
    given = np.asarray(value, dtype=object)
    if not given.size or not all(isinstance(item, cftime.datetime) for item in given.flat):
        return value, {}
    calendars = sorted({item.calendar for item in given.flat})
    if len(calendars) > 1:
        raise OutputError(
            f"{shown} has dates of the calendars {' and '.join(calendars)}: return one output for "
            "each"
        )
    numbers = cftime.date2num(given, _UNITS, calendars[0])
    return np.asarray(numbers, dtype=np.int64), {"units": _UNITS, "calendar": calendars[0]}


def unpacked(array: xarray.DataArray) -> xarray.DataArray:
    """Mark what dates in numbers say is missing, and apply how they are packed.

    Their attributes mean something to whoever decodes dates; those of other numbers do not.
    """
    if not is_date(array.attrs) or not _STORED & {*array.attrs}:
        return array
    import xarray

    numbers = xarray.Dataset({"date": array.variable})
    return array.copy(data=xarray.decode_cf(numbers, decode_times=False).date.values)


def is_date(attributes: Mapping[str, Any]) -> bool:
    """Whether numbers with these attributes count from a date."""
    return " since " in str(hdf5.plain(attributes.get("units", "")))


def is_numpys(attributes: Mapping[str, Any]) -> bool:
    """Whether numpy has the calendar of dates."""
    return str(hdf5.plain(attributes.get("calendar", "standard"))).lower() in _NUMPYS


def decoded(stored: xarray.Variable, coder: Any) -> xarray.Variable:
    """Make dates of numbers that count from one, as xarray does, where they are not missing.

    xarray (2026.9) makes the date that they count from of a missing float, refuses a missing
    integer, and rounds integers, where the calendar is not numpy's.

    Raises
    ------
    ValueError, OverflowError, ImportError
        For units, calendars and numbers that are no dates, and without cftime where it is needed.
    """
    import xarray

    said = {name: stored.attrs[name] for name in ("units", "calendar") if name in stored.attrs}
    fill = stored.attrs.get("_FillValue", np.nan)
    is_there = ~((stored.values == fill) | np.isnan(stored.values))
    dates = _dates(stored.values[is_there], said, coder)
    made = np.full(stored.shape, np.nan if dates.dtype == object else "NaT", dates.dtype)
    made[is_there] = dates
    attrs = {n: v for n, v in stored.attrs.items() if n not in {*said, "_FillValue"}}
    encoding = {**stored.encoding, **said, "dtype": stored.dtype}
    return xarray.Variable(stored.dims, made, attrs, encoding)


def _dates(numbers: Array, said: Mapping[str, str], coder: Any) -> Array:
    import xarray

    if is_numpys(said):
        coded = xarray.Dataset({"date": ("n", numbers, said)})
        return np.asarray(xarray.decode_cf(coded, decode_times=coder).date.values)
    import cftime

    made = cftime.num2date(numbers, said["units"], said["calendar"], only_use_cftime_datetimes=True)
    return np.asarray(made, dtype=object)
