"""What a function returned, turned into columns.

Points are looked at together. Those that returned alike become one `Part`; a value that no
results file can hold costs its own point only.
"""

from __future__ import annotations

import copy
import dataclasses
import datetime
import enum
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sweeps import h5
from sweeps.block import Array, Part, Variable, class_of, digest
from sweeps.errors import OutputError

SCALARS = frozenset({float, int, bool, complex, str, np.float64, np.bool_, np.int64})
_REAL = frozenset({float, np.float64, int, np.int64})
ALLOWED = (
    "numbers, strings, booleans, complex numbers, dates, arrays of them, xarray objects, "
    "and a dict, NamedTuple or dataclass of these"
)


class Leaf(NamedTuple):
    """One named value of one point."""

    values: Array  # 0-D for a scalar
    dims: tuple[str, ...]
    attrs: dict[str, Any]
    coordinates: dict[str, Leaf]


def snapshot(value: Any) -> Any:
    """Keep a returned value as it is now; the function may use its arrays again."""
    kind = type(value)
    if kind in SCALARS:
        return value
    if kind is np.ndarray:
        return value.copy()
    named = _fields(value)
    if named is not None:
        return {name: snapshot(item) for name, item in named.items()}
    if _is_xarray(value) and hasattr(value, "copy"):
        return value.copy(deep=True)
    return copy.deepcopy(value) if isinstance(value, (list, tuple)) else value


def size_bytes(value: Any) -> int:
    """Roughly how much memory a snapshot takes."""
    if type(value) is dict:
        return sum(map(size_bytes, value.values()))
    return int(getattr(value, "nbytes", 64))


def tabulate(
    returned: Sequence[Any],
    keys: npt.NDArray[np.uint64],
    elapsed: npt.NDArray[np.float32],
    *,
    name: str,
    dims: Mapping[str, Sequence[str]],
    taken: frozenset[str],
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
    name : str
        What a single nameless value is called.
    dims : mapping of str to sequence of str
        Names of the outputs' own dimensions, where declared.
    taken : frozenset of str
        Names that outputs cannot have: those of parameters and dimensions.

    Returns
    -------
    parts : list of Part
        Together they hold every point that is not refused.
    refused : list of (int, OutputError)
        Which points returned what cannot be kept, and why.
    """
    columns = _scalar_columns(returned, name)
    if columns is not None and not (taken & columns.keys()):
        try:
            check_names(columns, taken)
            variables = tuple(Variable(key, column) for key, column in columns.items())
            return [Part(keys, elapsed, variables)], []
        except OutputError:
            pass  # said below, point by point
    groups: dict[Any, list[tuple[int, dict[str, Leaf]]]] = {}
    refused = []
    for index, value in enumerate(returned):
        try:
            leaves = _leaves(value, name, dims)
            check_names(leaves, taken)
        except OutputError as error:
            refused.append((index, error))
        else:
            signature = tuple((key, _signature(leaf)) for key, leaf in leaves.items())
            groups.setdefault(signature, []).append((index, leaves))
    parts = [_part(group, keys, elapsed) for group in groups.values()]
    return parts, refused


def _scalar_columns(returned: Sequence[Any], name: str) -> dict[str, Array] | None:
    """Columns of points that all returned plain scalars, or dicts of such: the fast case."""
    kinds = set(map(type, returned))
    if kinds == {dict}:
        names = tuple(returned[0])
        if not names or any(tuple(value) != names for value in returned):
            return None
        columns = {key: [value[key] for value in returned] for key in names}
    else:
        columns = {name: list(returned)}
    arrays = {}
    for key, column in columns.items():
        kinds = set(map(type, column))
        if not (kinds <= _REAL or kinds <= {bool, np.bool_}):
            return None
        array = _scalar_column(column, kinds)
        if array is None:
            return None
        arrays[key] = array
    return arrays


def _scalar_column(column: list[Any], kinds: set[type]) -> Array | None:
    if kinds <= {bool, np.bool_}:
        return np.array(column, dtype=np.bool_)
    try:
        return np.array(column, dtype=np.int64 if kinds <= {int, np.int64} else np.float64)
    except OverflowError:
        return None


def check_names(names: Iterable[Any], taken: frozenset[str]) -> None:
    """Raise `OutputError` for names that a results file cannot hold."""
    listed = list(names)
    for name in listed:
        if not isinstance(name, str):
            raise OutputError(f"an output is named {name!r}: names are strings")
        h5.check_name(name)
        if name in taken:
            raise OutputError(f"output {name!r} has the name of a parameter: call it otherwise")
    for clash in h5.clashing([*listed, *taken]):
        raise OutputError(
            f"the names {' and '.join(map(repr, clash))} differ only in case or form: rename one"
        )


def _is_xarray(value: Any) -> bool:
    return type(value).__module__.partition(".")[0] == "xarray"


def _fields(value: Any) -> dict[Any, Any] | None:
    """Named values in a mapping, NamedTuple, dataclass or xarray Dataset; None for one value."""
    if isinstance(value, Mapping) and not _is_xarray(value):
        return dict(value)
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return dict(value._asdict())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return None


def _leaves(value: Any, name: str, dims: Mapping[str, Sequence[str]]) -> dict[str, Leaf]:
    """Name every value of one point."""
    named = _fields(value)
    if named is None and _is_xarray(value) and hasattr(value, "data_vars"):
        named = dict(value.data_vars)
    if named is None:
        own = getattr(value, "name", None) if _is_xarray(value) else None
        named = {own or name: value}
    if not named:
        raise OutputError(f"the function returned an empty {type(value).__name__}; {_allowed()}")
    leaves = {key: _leaf(key, item, dims.get(key)) for key, item in named.items()}
    sizes: dict[str, int] = {}
    for key, leaf in leaves.items():
        for dim, size in zip(leaf.dims, leaf.values.shape, strict=True):
            if sizes.setdefault(dim, size) != size:
                raise OutputError(
                    f"outputs share the dimension {dim!r} but have {sizes[dim]} and {size} "
                    f"values along it (at {key!r})"
                )
    return leaves


def _leaf(name: str, value: Any, declared: Sequence[str] | None) -> Leaf:
    dims: tuple[str, ...] | None = None
    attrs: dict[str, Any] = {}
    coordinates: dict[str, Leaf] = {}
    if _is_xarray(value):
        if not hasattr(value, "dims") or not hasattr(value, "values"):
            raise OutputError(f"output {name!r} is a {type(value).__name__}; {_allowed()}")
        dims = tuple(map(str, value.dims))
        attrs = _plain_attrs(value.attrs)
        coordinates = {
            str(key): Leaf(_array(c.values), tuple(map(str, c.dims)), _plain_attrs(c.attrs), {})
            for key, c in value.coords.items()
        }
        value = value.values
    array = _array(value, name)
    if declared is not None:
        dims = tuple(declared)
    if dims is None:
        dims = tuple(f"{name}_dim_{i}" for i in range(array.ndim))
    if len(dims) != array.ndim:
        raise OutputError(
            f"output {name!r} has shape {array.shape} but the declared dims {dims}: "
            "give one name for each dimension"
        )
    return Leaf(array, dims, attrs, coordinates)


def _plain_attrs(attrs: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        str(key): value.item() if isinstance(value, np.generic) else value
        for key, value in attrs.items()
        if isinstance(value, (str, int, float, np.generic))
    }


def _array(value: Any, name: str = "") -> Array:
    """Make an array of an allowed dtype, 0-D for a scalar."""
    shown = f"output {name!r}" if name else "the output"
    if isinstance(value, enum.Enum):
        value = value.name
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        value = value.astimezone(datetime.UTC).replace(tzinfo=None)
    if isinstance(value, datetime.date):
        return np.array(value, dtype="datetime64[us]")
    if value is None:
        raise OutputError(f"{shown} is None: return a value ({ALLOWED})")
    if type(value) is int and not -(2**63) <= value < 2**63:
        raise OutputError(f"{shown} is {value}, beyond 64 bits: return a float or a string")
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise OutputError(f"{shown} is no regular array: {error}") from error
    if array.dtype.kind == "U":
        array = array.astype(object)
    elif array.dtype.kind == "O":
        if not all(isinstance(item, str) for item in array.flat):
            raise OutputError(f"{shown} is of type {type(value).__name__}; {_allowed()}")
    elif array.dtype.kind == "M":
        array = array.astype("datetime64[us]")
    try:
        h5.storage(array.dtype)
    except OutputError as error:
        raise OutputError(f"{shown}: {error}") from None
    return array


def _allowed() -> str:
    return f"allowed are {ALLOWED}"


def _signature(leaf: Leaf) -> tuple[Any, ...]:
    """What must be equal for points to share a part; 1-D lengths without coordinate need not."""
    free = leaf.values.ndim == 1 and not leaf.coordinates
    return (
        class_of(leaf.values.dtype),
        leaf.dims,
        "free" if free else leaf.values.shape,
        tuple(sorted(leaf.attrs.items(), key=lambda item: item[0])),
        tuple((key, c.dims, digest(c.values)) for key, c in leaf.coordinates.items()),
    )


def _part(
    group: list[tuple[int, dict[str, Leaf]]],
    keys: npt.NDArray[np.uint64],
    elapsed: npt.NDArray[np.float32],
) -> Part:
    index = np.array([i for i, _ in group])
    names = list(group[0][1])
    variables = tuple(_stack(name, [leaves[name] for _, leaves in group]) for name in names)
    coordinates: dict[str, Variable] = {}
    for name in names:
        for key, c in group[0][1][name].coordinates.items():
            coordinates[key] = Variable(key, c.values, c.dims, attrs=c.attrs)
    return Part(keys[index], elapsed[index], variables, tuple(coordinates.values()))


def _stack(name: str, leaves: list[Leaf]) -> Variable:
    arrays = [leaf.values for leaf in leaves]
    first = leaves[0]
    if first.values.ndim == 1 and len({len(array) for array in arrays}) > 1:
        counts = np.array([len(array) for array in arrays], dtype=np.int64)
        return Variable(name, np.concatenate(arrays), first.dims, counts, first.attrs)
    return Variable(name, np.stack(arrays), first.dims, None, first.attrs)
