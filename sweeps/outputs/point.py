"""The outputs of one point: each value that its function returned, named, labelled and checked.

Whatever cannot stand in a results file is refused here, for this point alone, so that neither
the memo nor landing meets it.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import functools
import sys
from collections.abc import Hashable, Iterable, Mapping, MappingView, Sequence, Set
from typing import Any, NamedTuple

import numpy as np

from sweeps.errors import OutputError
from sweeps.spaces import quantities
from sweeps.storage import calendars, hdf5, kinds
from sweeps.storage.hdf5 import Array

ALLOWED = (
    f"allowed are {', '.join(kind.allowed[0] for kind in kinds.KINDS)}, arrays of them, "
    "xarray objects, and a dict, NamedTuple or dataclass of these"
)

_NO_VALUES = {"NoneType": "None", "NAType": "NA", "NaTType": "NaT"}

# Attributes that tell readers how values are stored, or HDF5 what a dataset is for.
_STORAGE_ATTRS = frozenset(
    {
        *("missing_value", "scale_factor", "add_offset", "dtype", "coordinates"),
        *("CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST"),
    }
)


# Subclasses of ndarray with a meaning of their own (masks, units) would lose it without a word.
PLAIN_ARRAYS = (np.ndarray, np.memmap, np.matrix)

SIZE, DIGEST = "_bytes", "_sha256"
"""Endings of the outputs with the sizes and the digests of files, beside that of their names."""

_FEWER = "return an array with fewer dimensions, or several arrays"


class Output(NamedTuple):
    """One named value of one point."""

    array: Array  # 0-D for a scalar
    dims: tuple[str, ...] = ()
    attrs: Mapping[str, Any] = {}


class Outputs(NamedTuple):
    """All values of one point, and the coordinates of their own dimensions."""

    values: Mapping[str, Output]
    coordinates: Mapping[str, Output]


def outputs(
    value: Any,
    name: str,
    dims: Mapping[str, Sequence[str]],
    taken: frozenset[str],
    units: Mapping[str, str] | None = None,
) -> Outputs:
    """Name and label every value of one point.

    Parameters
    ----------
    value
        A snapshot of what the function returned.
    name : str
        What a single nameless value is called.
    dims : mapping of str to sequence of str
        Names of the outputs' own dimensions, where declared.
    taken : frozenset of str
        Names that outputs cannot have: those of parameters and dimensions of the space.
    units : mapping of str to str, optional
        What to convert quantities to, where declared.

    Raises
    ------
    OutputError
        Naming the output that cannot be kept, and what is allowed.
    """
    labelled: dict[str, Any] = {}
    values: dict[str, Output] = {}
    for key, each in named(value, name).items():
        item = calendars.unpacked(each) if hasattr(each, "coords") else each
        values[key] = _value(key, item, dims.get(key), (units or {}).get(key))
        if hasattr(item, "coords"):
            _collect(labelled, key, item.coords, taken, units or {})
    texts = [name for name in values if isinstance(name, str)]
    for key in [name for name in texts if {name + SIZE, name + DIGEST} <= values.keys()]:
        for other in key + SIZE, key + DIGEST:
            if other not in dims and values[other].array.shape == values[key].array.shape:
                values[other] = values[other]._replace(dims=values[key].dims)
    # A coordinate without dimensions, such as .sel() leaves, may differ from point to point.
    coordinates = {key: c for key, c in labelled.items() if c.dims}
    for key in labelled.keys() - coordinates.keys():
        if key in values:
            raise OutputError(f"{key!r} is an output and a coordinate of another: rename one")
        values[key] = labelled[key]
    _check_shapes([*values.items(), *coordinates.items()])
    own_dims = dict.fromkeys(d for v in (*values.values(), *coordinates.values()) for d in v.dims)
    auxiliary = tuple(key for key, c in coordinates.items() if c.dims != (key,))
    _check_names(tuple(values), tuple(own_dims), auxiliary, taken)
    return Outputs(values, coordinates)


def named(value: Any, name: str) -> dict[Any, Any]:
    """Return what a function returned by name; a single nameless value is called `name`."""
    found = fields(value)
    if found is None and is_xarray(value):
        if hasattr(value, "data_vars"):
            found = dict(value.data_vars)
        else:
            found = {getattr(value, "name", None) or name: value}
    if found is None:
        found = {name: value}
    if not found:
        raise OutputError(f"the function returned an empty {type(value).__name__}; {ALLOWED}")
    return found


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


def has_unit(value: Any) -> bool:
    """Whether an array has a unit that numpy would drop, of a library that we do not know."""
    if isinstance(value, np.generic) or not hasattr(value, "__array__"):
        return False
    unit = getattr(value, "units", getattr(value, "unit", None))
    return unit is not None and not isinstance(unit, str)


def _value(
    name: Any, value: Any, declared: Sequence[str] | None, unit: str | None = None
) -> Output:
    shown = f"output {name!r}"
    if isinstance(value, Mapping):
        raise OutputError(
            f"{shown} is a {type(value).__name__} inside another: give each of its values "
            f"its own name; {ALLOWED}"
        )
    if is_xarray(value):
        (array, attrs), dims = _labelled(shown, value, unit), tuple(map(str, value.dims))
        if declared is not None and dims != tuple(declared):
            raise OutputError(f"{shown} has dims {dims}, but {tuple(declared)} are declared")
        return Output(array, dims, attrs)
    array, attrs = measured(shown, value, unit)
    dims = tuple(declared or default_dims(name, array.ndim))
    if len(dims) != array.ndim:
        raise OutputError(
            f"{shown} has shape {array.shape} but the declared dims {dims}: "
            "give one name for each dimension"
        )
    return Output(array, dims, attrs)


def measured(shown: str, value: Any, unit: str | None = None) -> tuple[Array, dict[str, Any]]:
    """Make an array as `array_of` does, also of quantities and dates that need attributes."""
    is_plain = isinstance(value, (int, float, complex, str))
    if not is_plain and (quantities.is_quantity(value) or quantities.holds_quantity(value)):
        value, attrs = quantities.number(shown, value, unit)
        return array_of(shown, value), attrs
    if "cftime" not in sys.modules:  # so that there are no dates of other calendars
        return array_of(shown, value), {}
    value, said = calendars.encoded(shown, value)
    return array_of(shown, value), said


def _labelled(shown: str, value: Any, unit: str | None) -> tuple[Array, dict[str, Any]]:
    data = value.data if quantities.is_quantity(value.data) else value.values
    array, attrs = measured(shown, data, unit)
    return array, {**_attrs(value.attrs), **attrs}


def default_dims(name: str, n_dims: int) -> tuple[str, ...]:
    """Names of an output's own dimensions if none are given."""
    return tuple(f"{name}_dim_{i}" for i in range(n_dims))


def _collect(
    labelled: dict[str, Output],
    output: str,
    coords: Mapping[Any, Any],
    taken: frozenset[str],
    units: Mapping[str, str],
) -> None:
    """Add the coordinates of an output to those of the point, but not its parameters."""
    for key, c in coords.items():
        name, dims = str(key), tuple(map(str, c.dims))
        if name in taken and dims != (name,):
            continue
        shown = f"coordinate {name!r} of output {output!r}"
        array, attrs = _labelled(shown, c, units.get(name))
        made = Output(array, dims, attrs)
        other = labelled.setdefault(name, made)
        if (other.dims, kinds.digest(other.array)) != (made.dims, kinds.digest(made.array)):
            raise OutputError(f"{shown} differs from that of another output: rename one")


def _attrs(attrs: Mapping[Any, Any]) -> dict[str, Any]:
    """Attributes that say something of the values to people, as Python's own scalars."""
    kept = {}
    for key, value in attrs.items():
        plain = value.item() if isinstance(value, np.generic) else value
        if isinstance(key, str) and key not in _STORAGE_ATTRS and not key.startswith("_"):
            try:
                hdf5.check_name(key)
            except OutputError:
                continue
            if isinstance(plain, (str, int, float)):
                kept[key] = plain
    return kept


def array_of(shown: str, value: Any) -> Array:
    """Make an array of a dtype that can be stored, 0-D for a scalar.

    Numbers keep their dtype; `sweeps.storage.kinds` says what others become.

    Raises
    ------
    OutputError
        Beginning with `shown`, for everything else.
    """
    value = _plain(value)
    if value is None:
        raise OutputError(f"{shown} is None: return a value; {ALLOWED}")
    if is_table(value):  # its labels would be lost
        raise OutputError(f"{shown} is {_instead(value)}")
    if isinstance(value, bytes):
        raise OutputError(
            f"{shown} is bytes (S{len(value)}): return a file, sweeps.File(content, name=...), or "
            "a str, content.decode()"
        )
    if type(value) is int and not -(2**63) <= value < 2**63:
        raise OutputError(
            f"{shown} is an integer of {value.bit_length()} bits, more than a signed 64-bit "
            "integer has: return a float or a string"
        )
    is_subclass = isinstance(value, np.ndarray) and type(value) not in PLAIN_ARRAYS
    if is_subclass or has_unit(value):
        raise OutputError(
            f"{shown} is a {type(value).__name__}, whose mask or units would be lost: "
            "return a plain array"
        )
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise OutputError(f"{shown} is not a regular array: {error}; {ALLOWED}") from error
    if array.dtype.kind in "OUT":
        array = _objects(shown, value)
    array = kinds.of(array.dtype).checked(shown, array)
    try:
        stored, _ = hdf5.storage(array.dtype)
        if array.dtype.kind == "O":
            hdf5.encode(array)
    except OutputError as error:
        raise OutputError(f"{shown}: {error}") from None
    return array.astype(stored, copy=False) if array.dtype.kind in "iufc" else array


def _instead(value: Any) -> str:
    """Say what to return in place of a table, an index, or what pandas has for no value."""
    package, kind = type(value).__module__.partition(".")[0], type(value).__name__
    if kind in _NO_VALUES:
        return f"{_NO_VALUES[kind]}, which is not a value: return math.nan or nothing"
    if (kind == "DataFrame" and package != "pandas") or kind == "Table":
        return (
            f"a {package} {kind}, which has columns: return them under their names, "
            "{name: array, ...}"
        )
    ways = [way for way in ("to_xarray", "to_numpy") if hasattr(value, way)]
    shown = " or ".join(f".{way}()" for way in ways)
    return f"a {package} {kind}: return " + (f"its {shown}" if ways else "numbers or strings")


def _plain(value: Any) -> Any:
    """The name for an enum's member, UTC for an aware time."""
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        return value.astimezone(datetime.UTC).replace(tzinfo=None)
    return str(value) if isinstance(value, str) else value


def _objects(shown: str, value: Any) -> Array:
    """Values of one kind; not a mixture with numbers, of which numpy would make strings."""
    given = np.asarray(value, dtype=object)
    items = [_plain(item) for item in given.flat]
    made = np.empty(len(items), dtype=object)
    made[:] = items
    for kind in kinds.KINDS:
        if kind.types and all(isinstance(item, kind.types) for item in items):
            return kind.from_objects(shown, made).reshape(given.shape)
    names = {type(item).__name__: item for item in items if not isinstance(item, str)}
    name, odd = next(iter(names.items()))
    if not given.ndim:
        is_iterable = hasattr(odd, "__next__") or isinstance(odd, (Set, MappingView))
        hint = "return a list of its values; " if is_iterable else ""
        raise OutputError(f"{shown} is of type {name}; {hint}{ALLOWED}")
    if missing := [_NO_VALUES[name] for name in names if name in _NO_VALUES]:
        raise OutputError(f"{shown} holds {missing[0]}, which is not a value: put math.nan there")
    if any(isinstance(item, str) for item in items):
        raise OutputError(
            f"{shown} mixes {name} with str: an array or an axis needs values of one type; "
            "give labels, all of them strings, or return two outputs"
        )
    raise OutputError(f"{shown} holds values of type {' and '.join(names)}; {ALLOWED}")


def _check_shapes(values: Iterable[tuple[str, Output]]) -> None:
    sizes: dict[str, int] = {}
    for key, value in values:
        if len(value.dims) >= hdf5.MAX_DIMENSIONS:
            raise OutputError(
                f"output {key!r} has {len(value.dims)} dimensions, and HDF5 has room for "
                f"{hdf5.MAX_DIMENSIONS - 1} besides those of the points: {_FEWER}"
            )
        if len(set(value.dims)) < len(value.dims):
            raise OutputError(f"output {key!r} has a dimension twice in its dims {value.dims}")
        for dim, size in zip(value.dims, value.array.shape, strict=True):
            if sizes.setdefault(dim, size) != size:
                raise OutputError(
                    f"outputs share the dimension {dim!r} but have {sizes[dim]} and {size} "
                    f"values along it (at {key!r})"
                )


@functools.lru_cache(maxsize=256)
def _check_names(
    values: tuple[Hashable, ...],
    dims: tuple[str, ...],
    auxiliary: tuple[str, ...],
    taken: frozenset[str],
) -> None:
    """Refuse names that some reader of a results file cannot have, or cannot tell apart."""
    for kind, names in ("output", values), ("dimension", dims), ("coordinate", auxiliary):
        for name in names:
            if not isinstance(name, str):
                raise OutputError(f"an output is named {name!r}: names are strings")
            hdf5.check_name(name)
            if name.startswith("_"):
                raise OutputError(f"{kind} {name!r} begins with '_', which is reserved: rename it")
            if name in taken:
                raise OutputError(
                    f"{kind} {name!r} has the name of a parameter or dimension of the space: "
                    "rename it"
                )
            if kind == "coordinate" and " " in name:  # CF lists them between blanks
                raise OutputError(f"coordinate {name!r} has a space in its name: rename it")
    for clash in hdf5.clashing(map(str, (*values, *dims, *auxiliary, *taken))):
        if len(set(clash)) == 1:
            raise OutputError(
                f"{clash[0]!r} is the name of an output and of a dimension: rename one, or return "
                "an xarray.DataArray with the values along a dimension as its coordinate"
            )
        raise OutputError(
            f"the names {' and '.join(map(repr, clash))} differ only in case or Unicode "
            "form: rename one"
        )
