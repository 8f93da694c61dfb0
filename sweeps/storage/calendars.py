"""Dates of calendars that numpy does not have, such as 360_day: cftime objects ↔ CF numbers.

In CF, numbers with units such as ``days since 2020-01-01`` are dates.
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
    """Turn cftime dates into integers, which are exact, and give the attributes that decode them.

    Other values are returned as they are, without attributes.

    Raises
    ------
    OutputError
        If the dates have different calendars; the message begins with `shown`.
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
    """Apply the packing attributes of dates in numbers, such as ``_FillValue``.

    Only dates are decoded from their attributes; other numbers stay as they are.
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
    """Decode CF numbers into dates as xarray does, but leave out missing ones.

    With a calendar that numpy does not have, xarray (2026.9) turns a missing float into the
    reference date, refuses a missing integer, and rounds integers.

    Raises
    ------
    ValueError, OverflowError, ImportError
        For units, calendars and numbers that are no dates, or if cftime is needed and missing.
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


def is_readable(attributes: Mapping[str, Any], coder: Any = True) -> bool:
    """Whether `decoded` makes dates of numbers with these attributes, such as 0."""
    import xarray

    said = {name: attributes[name] for name in ("units", "calendar") if name in attributes}
    try:
        decoded(xarray.Variable((), np.zeros((), np.int64), said), coder)
    except (ValueError, OverflowError, ImportError):
        return False
    return True


def _dates(numbers: Array, said: Mapping[str, str], coder: Any) -> Array:
    import xarray

    if is_numpys(said):
        coded = xarray.Dataset({"date": ("n", numbers, said)})
        return np.asarray(xarray.decode_cf(coded, decode_times=coder).date.values)
    import cftime

    made = cftime.num2date(numbers, said["units"], said["calendar"], only_use_cftime_datetimes=True)
    return np.asarray(made, dtype=object)
