"""Columns of outputs: what some points returned is copied at once, and turned into columns.

Points are looked at together. Those that returned alike become one `Part`; a value that no
results file can hold costs its own point only.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import sys
from collections import UserString
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sweeps.errors import OutputError
from sweeps.outputs import shelf, types
from sweeps.outputs.point import (
    PLAIN_ARRAYS,
    Output,
    Outputs,
    default_dims,
    fields,
    has_unit,
    is_table,
    is_xarray,
    measured,
    named,
    outputs,
)
from sweeps.outputs.types import Part, Variable
from sweeps.spaces import quantities
from sweeps.storage import hdf5, kinds
from sweeps.storage.hdf5 import Array

_WANTED = (
    "a vectorized function returns an array, or a dict of arrays, whose first length is the number "
    "of points"
)

_INTEGERS = frozenset({int, np.int64})

_REALS = frozenset({float, np.float64}) | _INTEGERS

_MOST_EXACT = 2**53
"""Floats have all integers up to it."""

_BOOLS = frozenset({bool, np.bool_})


SCALARS = frozenset({float, int, bool, complex, str, np.float64, np.bool_, np.int64})
"""The usual types of values that cannot change after they were returned."""

_ARRAY_PROTOCOLS = ("__array__", "__array_interface__", "__array_struct__")


class LengthError(OutputError):
    """Columns whose length is not the number of points; no single point is to blame."""


def snapshot(value: Any) -> Any:
    """Keep a returned value as it is now; the function may use its arrays and buffers again."""
    if type(value) is dict:  # by far the most
        return {k: v if type(v) in SCALARS else snapshot(v) for k, v in value.items()}
    if type(value) in SCALARS or isinstance(value, (np.generic, str, bytes, range)):
        return value
    if isinstance(value, np.ndarray) and type(value) in PLAIN_ARRAYS:
        if value.dtype.hasobject and quantities.holds_quantity(value):
            return copy.deepcopy(value)
        is_shelved = type(value) is np.ndarray and shelf.takes(value)
        return shelf.copied(value) if is_shelved else np.array(value)
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
    """Copy what numpy takes for a sequence, if it has numbered items and nothing else."""
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


def tabulate(
    returned: Sequence[Any],
    keys: npt.NDArray[np.uint64],
    elapsed: npt.NDArray[np.float32],
    *,
    name: str,
    dims: Mapping[str, Sequence[str]],
    taken: frozenset[str],
    units: Mapping[str, str] | None = None,
) -> tuple[list[Part], list[tuple[int, OutputError]]]:
    """Turn the returned values of some points into parts.

    Parameters
    ----------
    returned : sequence
        A snapshot for each of n points.
    keys : numpy.ndarray
        Shape (n, 2).
    elapsed : numpy.ndarray
        Shape (n,).
    name, dims, taken, units
        As for `outputs`.

    Returns
    -------
    parts : list of Part
        Together they hold every point that is not refused.
    refused : list of (int, OutputError)
        Which points returned what cannot be kept, and why.
    """
    groups: dict[object, list[tuple[int, Outputs]]] = {}
    refused = []
    for index, value in enumerate(returned):
        try:
            made = _stored(value, outputs(value, name, dims, taken, units), name)
            groups.setdefault(_form_of_point(made), []).append((index, made))
        except OutputError as error:
            refused.append((index, error))
        except Exception as error:  # whatever an unknown object does when it is looked at
            reason = f"the returned {type(value).__name__} cannot be read: {type(error).__name__}"
            refused.append((index, OutputError(f"{reason}: {error}")))
    return [_part(group, keys, elapsed) for group in groups.values()], refused


def uniform(
    returned: Sequence[Any],
    *,
    name: str,
    dims: Mapping[str, Sequence[str]],
    taken: frozenset[str],
    units: Mapping[str, str] | None = None,
) -> tuple[Variable, ...] | None:
    """Make the variables of points that all returned the same plain things, column by column.

    None where they did not, or where they are to be refused, one by one: `tabulate` does both. It
    is for speed only: 10^5 dicts of 3 floats take 0.05 s here, and 3 s one by one.
    """
    if not returned:
        return None
    first = returned[0]
    if type(first) is dict:
        if set(map(type, returned)) != {dict}:
            return None
        if any(tuple(value) != tuple(first) for value in returned):
            return None
        columns = {key: _column([value[key] for value in returned]) for key in first}
    else:
        columns = {types.NAME: _column(returned)}
    try:
        form = _stored(first, outputs(first, name, dims, taken), name).values
    except Exception:
        return None
    if form.keys() != columns.keys():
        return None
    variables = []
    for key, column in columns.items():
        if column is None:
            return None
        variables.append(Variable(key, column, form[key].dims))
    return tuple(variables)


def columns(
    returned: Any,
    n_points: int,
    *,
    name: str,
    dims: Mapping[str, Sequence[str]],
    taken: frozenset[str],
    units: Mapping[str, str] | None = None,
) -> tuple[Variable, ...]:
    """Make the variables of what a vectorized function returned for `n_points` points.

    It raises `LengthError` for an output that has another length than the points, and
    `OutputError` for one that cannot be kept.
    """
    if is_xarray(returned):
        raise OutputError(f"a vectorized function returned a {type(returned).__name__}: {_WANTED}")
    columns = {
        key: measured(f"output {key!r}", value, (units or {}).get(key))
        for key, value in named(returned, name).items()
    }
    for key, (array, _) in columns.items():
        if array.shape[:1] != (n_points,):
            has = f"has {len(array)} values" if array.ndim else "is a single value"
            raise LengthError(f"output {key!r} {has} for {n_points} points: {_WANTED}")
    made = outputs({key: array[0] for key, (array, _) in columns.items()}, name, dims, taken)
    form = _stored(returned, made, name).values
    # A copy: the function may use its array again, or have returned a column that it was given.
    return tuple(
        Variable(key, array.copy(), value.dims, attrs=attrs)
        for (key, value), (array, attrs) in zip(form.items(), columns.values(), strict=True)
    )


def joined(pieces: Sequence[Sequence[Variable]]) -> tuple[Variable, ...] | None:
    """Concatenate the variables of points; None if they are not alike."""
    forms = {
        tuple((v.name, v.dims, v.values.shape[1:], v.values.dtype, repr(v.attrs)) for v in p)
        for p in pieces
    }
    if len(forms) != 1:
        return None
    same = zip(*pieces, strict=True)
    return tuple(
        dataclasses.replace(vs[0], values=np.concatenate([v.values for v in vs])) for vs in same
    )


def _column(column: Sequence[Any]) -> Array | None:
    """One array of scalars of one kind, or of arrays of one shape and dtype; None for others."""
    seen = set(map(type, column))
    if seen <= _BOOLS:
        return np.array(column, dtype=np.bool_)
    if seen <= _REALS:
        # A third faster than `numpy.array`, which first looks whether there are lists in it.
        return _reals(column) if seen & _INTEGERS else np.fromiter(column, np.float64, len(column))
    if seen == {str}:
        return _texts(column)
    if seen == {np.ndarray}:
        forms = {(array.shape, array.dtype) for array in column}
        (_, dtype), *others = forms
        is_plain = not others and kinds.of(dtype).is_raw and dtype.isnative
        if not is_plain:
            return None
        found = shelf.together(column)
        return np.stack(column) if found is None else found
    if len(seen) == 1 and issubclass(seen.pop(), (complex, np.number)):
        return np.array(column)
    return None


def _reals(column: Sequence[Any]) -> Array | None:
    try:  # the integers by themselves, so that those beyond 64 bits are refused beside floats too
        integers = np.array([v for v in column if type(v) in _INTEGERS], dtype=np.int64)
    except OverflowError:
        return None
    if len(integers) == len(column):
        return integers
    if ((integers > _MOST_EXACT) | (integers < -_MOST_EXACT)).any():
        return None  # the memo keeps them as they are
    return np.array(column, dtype=np.float64)


def _texts(column: Sequence[str]) -> Array | None:
    made = np.array(column, dtype=object)
    try:
        hdf5.encode(made)
    except OutputError:
        return None
    return made


def _stored(value: Any, made: Outputs, name: str) -> Outputs:
    """Remove the name that a nameless value had while it was checked.

    `value` is what the function returned, and `made` is what `outputs` made of it.
    """
    if types.NAME not in named(value, types.NAME):
        return made
    own = made.values[name]
    if not is_xarray(value):  # whose dimensions have names of their own
        own = own._replace(dims=default_dims(types.NAME, own.array.ndim))
    others = {key: item for key, item in made.values.items() if key != name}
    return made._replace(values={types.NAME: own, **others})


def _form_of_point(made: Outputs) -> object:
    """Return what must be equal for points to share a part.

    As `schema.form`, but for one point, which cannot tell whether a length is free: every 1-D value
    may turn out to be of free length, and an empty one has no dtype to insist on.
    """
    values = tuple(
        (
            name,
            v.array.dtype.str,
            v.array.size > 0,
            v.dims,
            "free" if v.array.ndim == 1 else v.array.shape,
            json.dumps(v.attrs, sort_keys=True),
        )
        for name, v in made.values.items()
    )
    coordinates = tuple(
        (name, c.dims, kinds.digest(c.array), json.dumps(c.attrs, sort_keys=True))
        for name, c in made.coordinates.items()
    )
    return values, coordinates


def _part(
    group: Sequence[tuple[int, Outputs]],
    keys: npt.NDArray[np.uint64],
    elapsed: npt.NDArray[np.float32],
) -> Part:
    index = np.array([i for i, _ in group])
    _, first = group[0]
    variables = tuple(
        _stack(name, [made.values[name] for _, made in group]) for name in first.values
    )
    coordinates = tuple(
        Variable(name, c.array, c.dims, attrs=c.attrs) for name, c in first.coordinates.items()
    )
    return Part(keys[index], elapsed[index], variables, coordinates)


def _stack(name: str, values: Sequence[Output]) -> Variable:
    arrays = [value.array for value in values]
    first = values[0]
    if len({array.shape for array in arrays}) > 1:
        counts = np.array([len(array) for array in arrays], dtype=np.int64)
        return Variable(name, np.concatenate(arrays), first.dims, counts, first.attrs)
    stacked = np.stack(arrays) if len(arrays) > 1 else arrays[0][np.newaxis]
    return Variable(name, stacked, first.dims, None, first.attrs)
