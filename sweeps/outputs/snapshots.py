"""Snapshots: what a function returned as it was then, whatever it does with its objects later."""

from __future__ import annotations

import copy
import dataclasses
import sys
from collections import UserString
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sweeps.spaces import quantities

SCALARS = frozenset({float, int, bool, complex, str, np.float64, np.bool_, np.int64})
"""Types of values that nobody can change after they were returned, the usual ones."""

# Subclasses of ndarray with a meaning of their own (masks, units) would lose it without a word.
PLAIN_ARRAYS = (np.ndarray, np.memmap, np.matrix)

_ARRAY_PROTOCOLS = ("__array__", "__array_interface__", "__array_struct__")


def snapshot(value: Any) -> Any:
    """Keep a returned value as it is now; the function may use its arrays and buffers again."""
    if type(value) is dict:  # by far the most
        return {k: v if type(v) in SCALARS else snapshot(v) for k, v in value.items()}
    if type(value) in SCALARS or isinstance(value, (np.generic, str, bytes, range)):
        return value
    if isinstance(value, np.ndarray) and type(value) in PLAIN_ARRAYS:
        return copy.deepcopy(value) if quantities.holds_quantity(value) else np.array(value)
    if isinstance(value, np.ndarray):
        return copy.copy(value)
    named = fields(value)
    if named is not None:
        return {name: snapshot(item) for name, item in named.items()}
    if isinstance(value, (list, tuple)):
        return [snapshot(item) for item in value]
    if is_xarray(value):
        return value.copy(deep=True).load()
    if quantities.is_quantity(value):
        return copy.copy(value)
    if is_table(value) or has_unit(value):
        return value
    if _is_array(value):
        return np.array(value)
    if isinstance(value, UserString):
        return str(value)
    if isinstance(value, Sequence):  # a deque, a UserList
        return [snapshot(item) for item in value]
    return _numbered(value) if hasattr(value, "__getitem__") else value


def has_unit(value: Any) -> bool:
    """Whether an array has a unit that numpy would drop, of a library that we do not know."""
    if isinstance(value, np.generic) or not hasattr(value, "__array__"):
        return False
    unit = getattr(value, "units", getattr(value, "unit", None))
    return unit is not None and not isinstance(unit, str)


def _is_array(value: Any) -> bool:
    """Whether numpy sees an array: an object that says so, or memory that others write to."""
    if any(hasattr(value, protocol) for protocol in _ARRAY_PROTOCOLS):
        return True
    try:  # ctypes, bytearray, array.array, memoryview, mmap
        memoryview(value).release()
    except (TypeError, BufferError, ValueError):
        return False
    return True


def _numbered(value: Any) -> Any:
    """Copy what numpy takes for a sequence, where it has items in a row and nothing else."""
    try:
        return [snapshot(value[i]) for i in range(len(value))]
    except (TypeError, KeyError, IndexError):
        return value


def size_bytes(value: Any) -> int:
    """Roughly how much memory a snapshot takes."""
    if type(value) is dict:
        return sum(map(size_bytes, value.values()))
    if type(value) is list:
        return sys.getsizeof(value) + len(value) * sum(map(size_bytes, value[:1]))
    return int(getattr(value, "nbytes", 0)) or sys.getsizeof(value)


def fields(value: Any) -> dict[Any, Any] | None:
    """Named values in a mapping, NamedTuple or dataclass; None for one value."""
    if isinstance(value, Mapping) and not is_xarray(value):
        return dict(value)
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return dict(value._asdict())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return None


def is_xarray(value: Any) -> bool:
    """Whether a value has labels; where xarray is not imported, nothing has."""
    xarray = sys.modules.get("xarray")
    kinds = (xarray.DataArray, xarray.Dataset, xarray.Variable) if xarray is not None else ()
    return isinstance(value, kinds)


def is_table(value: Any) -> bool:
    """Whether a value has columns or labels that an array of it would lose: pandas, polars, ..."""
    is_pandas = type(value).__module__.partition(".")[0] == "pandas"
    return is_pandas or hasattr(value, "__dataframe__") or hasattr(value, "__arrow_c_stream__")
