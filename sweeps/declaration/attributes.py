"""Attributes of parameters and outputs that you declare, for the results file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sweeps.errors import DeclarationError, OutputError
from sweeps.spaces.values import short
from sweeps.storage import hdf5

_OPTIONS = ("units", "long_name")

# They say how values and dimensions are stored. HDF5 and netCDF-4 write them, CF gives them their
# meaning, and xarray takes values for other ones if they are wrong.
_OURS = frozenset({
    "CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST", "DIMENSION_LABELS", "missing_value",
    "scale_factor", "add_offset", "dtype", "calendar", "coordinates", "bounds", "climatology",
    "flag_values", "flag_masks", "flag_meanings", "valid_min", "valid_max", "valid_range",
})  # fmt: skip

_MOST_NUMBERS = 1000

_MOST_BYTES = 60_000  # HDF5 1.10 keeps all attributes of a variable together in 64 KiB


def checked(given: Mapping[Any, Any]) -> dict[str, dict[str, Any]]:
    """Return attributes by name, as text, numbers of Python, or lists of them."""
    made = {}
    for name, attrs in given.items():
        if not isinstance(name, str) or not isinstance(attrs, Mapping):
            raise DeclarationError(
                f"attrs maps names to attributes, not {name!r} to {short(attrs)}: "
                "attrs={'length': {'source': 'table 3'}}"
            )
        made[name] = {key: _value(name, key, value) for key, value in attrs.items()}
        if sum(len(str(item)) for item in made[name].items()) > _MOST_BYTES:
            raise DeclarationError(
                f"attrs of {name!r} take more than {_MOST_BYTES:,} bytes: put long texts into a "
                "file beside the results"
            )
    return made


def _value(name: str, key: Any, value: Any) -> str | int | float | list[int] | list[float]:
    _check_key(name, key)
    shown = f"attrs of {name!r}: {key!r}"
    if isinstance(value, str):
        if value != hdf5.text(value):
            raise DeclarationError(f"{shown} is no text (NUL, surrogate)")
        return value
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, OverflowError):
        array = np.empty(0, object)
    if array.ndim > 1 or array.dtype.kind not in "biuf" or not 0 < array.size <= _MOST_NUMBERS:
        raise DeclarationError(
            f"{shown} is {short(value)}: give text, a number, or a list of 1 to {_MOST_NUMBERS} "
            "numbers"
        )
    if array.dtype.kind == "u" and array.max() > np.iinfo(np.int64).max:
        raise DeclarationError(f"{shown} has an integer beyond 64 bits: give it as text")
    kind = float if array.dtype.kind == "f" else int  # netCDF has no booleans
    return [kind(each) for each in array.tolist()] if array.ndim else kind(array.item())


def _check_key(name: str, key: Any) -> None:
    if key in _OPTIONS:
        raise DeclarationError(f"attrs of {name!r}: give {key!r} as {key}={{{name!r}: ...}}")
    if not isinstance(key, str):
        raise DeclarationError(f"attrs of {name!r}: {short(key)} is no name of an attribute")
    if key in _OURS or key.startswith("_"):
        raise DeclarationError(
            f"attrs of {name!r}: {key!r} says how the file stores values, so sweeps writes it "
            "itself: give the attribute another name"
        )
    try:
        hdf5.check_name(key)
    except OutputError as error:
        raise DeclarationError(f"attrs of {name!r}: {error}") from error
