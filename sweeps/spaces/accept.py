"""Accept what a user gives as a parameter's values: make a table of them, or refuse it."""

from __future__ import annotations

import copy
import dataclasses
import datetime
import enum
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sweeps.errors import DeclarationError, OutputError, unknown
from sweeps.spaces import quantities
from sweeps.spaces.values import Labelled, Values, encode, is_frozen, label, short
from sweeps.storage.kinds import LONGEST

ALLOWED = (
    "numbers, strings, booleans, None, enums, dates, timedeltas, tuples and frozen dataclasses; "
    "for other objects give labels: {name}={{'label': object, ...}}"
)

_PLAIN = frozenset(
    {
        *(bool, int, float, complex, type(None), bytes),
        *(datetime.date, datetime.datetime, datetime.timedelta),
    }
)

_TIMES = (datetime.datetime, datetime.timedelta)

_INT64 = (-(2**63), 2**63)

_INT_BITS = 4096  # Python itself refuses to print numbers of more than 4300 digits

_LAZY_RANGE = 2**16


def accept(name: str, raw: Any) -> Values:
    """Make the table of a parameter's values, refusing what cannot identify a point.

    Parameters
    ----------
    name : str
        The parameter, for messages.
    raw : array_like, range, iterable or mapping
        Its values; a mapping of labels to objects.

    Examples
    --------
    >>> accept("x", [1, 2.5, -0.0]).array
    array([1. , 2.5, 0. ])
    >>> accept("n", [None, 1]).array
    array(['None', '1'], dtype=object)
    """
    if isinstance(raw, range) and len(raw) > _LAZY_RANGE and _fit_int64(raw[0], raw[-1]):
        return Values("int", raw)
    if isinstance(raw, Mapping):
        return _from_elements(name, [_labelled(name, *item) for item in raw.items()])
    if _may_be_quantity(raw) and (quantities.is_quantity(raw) or quantities.holds_quantity(raw)):
        return _quantities(name, raw)
    is_subclass = isinstance(raw, np.ndarray) and type(raw) is not np.ndarray
    if is_subclass and np.ma.getmaskarray(raw).any():  # importing numpy.ma takes 5 ms
        raise DeclarationError(
            f"axis {name!r} has masked values: give an array without a mask, such as .compressed()"
        )
    if hasattr(raw, "__array__") and not isinstance(raw, np.generic):  # pandas, xarray, h5py, ...
        raw = np.asarray(raw)
        if raw.ndim != 1:
            raise DeclarationError(
                f"axis {name!r} has shape {raw.shape}: give a one-dimensional array of values"
            )
        if raw.dtype.kind in "biufc" and raw.dtype.itemsize <= 16:
            return _from_array(name, raw)
    if isinstance(raw, (str, bytes)) or not isinstance(raw, Iterable):
        raise DeclarationError(
            f"axis {name!r} is {short(raw)}: give a list of values, such as {name}=[{short(raw)}]"
        )
    if isinstance(raw, (set, frozenset)):
        raise DeclarationError(f"axis {name!r} is a set, which has no order: give a list")
    elements = raw.tolist() if isinstance(raw, np.ndarray) and raw.dtype.kind == "U" else list(raw)
    if _may_be_quantity(elements) and quantities.holds_quantity(elements):
        return _quantities(name, elements)
    types = set(map(type, elements))
    if not _are_numbers(types) and not (types == {str} and _are_writable(elements)):
        elements = [_plain(name, element) for element in elements]
    return _from_elements(name, elements)


def accept_like(like: Values | None, name: str, raw: Any) -> Values:
    """Make a table of values that replace others, of the same kind if nothing is lost by it.

    Whole numbers become floats where all others are; labels select labelled objects and enum
    members; a date becomes a time. Beside what `accept` takes, `raw` may be a single value.
    """
    single = isinstance(raw, (str, bytes)) or not hasattr(raw, "__iter__")
    single |= (
        _may_be_quantity(raw)
        and quantities.is_quantity(raw)
        and np.ndim(quantities.plain(raw)) == 0
    )
    table = accept(name, [raw] if single else raw)
    if like is not None and like.kind == "quantity" and table.kind in ("int", "float"):
        numbers = table.coordinate().astype(float).tolist()
        return accept(name, quantities.each(like.element(0), numbers))
    if like is None or (like.kind == table.kind and like.objects is None):
        return table
    named = dict(_named(like))
    types = {_PYTHON[like.kind]} if like.objects is None else set(map(type, like.objects))
    return accept(name, [_fitted(name, e, types, named) for e in table.elements()])


_PYTHON = {"bool": bool, "int": int, "float": float, "complex": complex, "str": str}


def _named(table: Values) -> Iterable[tuple[str, Any]]:
    """Labelled objects by their labels; enum members by name, those not in the table too."""
    for element in table.objects or ():
        if isinstance(element, Labelled):
            yield element.label, element
        elif isinstance(element, enum.Enum):
            yield from type(element).__members__.items()


def _fitted(name: str, element: Any, types: set[type], named: Mapping[str, Any]) -> Any:
    kind = type(element)
    if kind is str and named and str not in types:
        if element not in named:
            raise unknown("value", element, named, f"on the axis {name!r}")
        return named[element]
    if kind in (int, float) and kind not in types and types & {float, complex}:
        exact = _exact_float(name, element)
        return exact if float in types else complex(exact)
    if kind is datetime.date and kind not in types and datetime.datetime in types:
        return datetime.datetime.combine(element, datetime.time())
    return element


def _quantities(name: str, raw: Any) -> Values:
    """Make a table of quantities, all in the unit of the first one."""
    try:
        numbers, _ = quantities.number(f"axis {name!r}", raw)
    except OutputError as error:
        raise DeclarationError(str(error)) from error
    array = np.asarray(numbers)
    if array.ndim != 1 or array.dtype.kind not in "iuf":
        raise DeclarationError(
            f"axis {name!r} is {short(raw)}: give a one-dimensional array, or a list, of real "
            "quantities"
        )
    table = _from_array(name, array.astype(float))
    like = raw if quantities.is_quantity(raw) else raw[0]
    made = quantities.each(like, table.coordinate().tolist())
    return Values("quantity", table.coordinate(), tuple(made))


def _may_be_quantity(raw: Any) -> bool:
    """Decide cheaply for plain numbers and texts: they are no quantities."""
    if isinstance(raw, range):
        return False
    if type(raw) is np.ndarray:
        return bool(raw.dtype.hasobject)
    return not (type(raw) in (list, tuple) and set(map(type, raw)) <= _PLAIN | {str})


def _are_numbers(types: set[type]) -> bool:
    return bool(types) and (types <= {int, float, complex} or types == {bool})


def _from_array(name: str, raw: npt.NDArray[Any]) -> Values:
    if raw.dtype.kind in "fc" and np.isnan(raw).any():
        raise _not_a_number(name, int(np.flatnonzero(np.isnan(raw))[0]))
    if raw.dtype.kind == "f" and raw.dtype.itemsize > 8:
        raise DeclarationError(f"axis {name!r} has dtype {raw.dtype}: use float64")
    kind = {"b": "bool", "i": "int", "u": "int", "f": "float", "c": "complex"}[raw.dtype.kind]
    if raw.dtype.kind == "u" and raw.size and int(raw.max()) >= _INT64[1]:
        return Values("int", raw.astype(np.uint64))
    dtype = {"bool": np.bool_, "int": np.int64, "float": np.float64, "complex": np.complex128}[kind]
    array: npt.NDArray[Any] = raw.astype(dtype)
    if kind in ("float", "complex"):
        array += 0.0  # -0.0 is 0.0
    return Values(kind, array)


def _from_elements(name: str, elements: list[Any]) -> Values:
    types = set(map(type, elements))
    if _are_numbers(types):
        return _numbers(name, elements, types)
    if types == {str}:
        return Values("str", _object_array(elements))
    if types == {datetime.date} or (
        types == {datetime.datetime} and len({e.utcoffset() is None for e in elements}) == 1
    ):
        return Values("time", _times(elements), tuple(elements))
    if types == {datetime.timedelta} and max(map(abs, elements)) <= LONGEST:
        return Values("timedelta", np.array(elements, dtype="timedelta64[us]"), tuple(elements))
    return Values("label", _object_array([label(e) for e in elements]), tuple(elements))


def _numbers(name: str, elements: list[Any], types: set[type]) -> Values:
    if types == {bool}:
        return Values("bool", np.array(elements, dtype=np.bool_))
    if types == {int}:
        low, high = min(elements), max(elements)
        if _fit_int64(low, high):
            return Values("int", np.array(elements, dtype=np.int64))
        if low >= 0 and high < 2**64:
            return Values("int", np.array(elements, dtype=np.uint64))
        elements = [_plain(name, e) for e in elements]
        return Values("label", _object_array([str(e) for e in elements]), tuple(elements))
    if int in types:
        elements = [_exact_float(name, e) if type(e) is int else e for e in elements]
    return _from_array(name, np.array(elements, dtype=complex if complex in types else float))


def _exact_float(name: str, value: float) -> float:
    try:
        if float(value) == value:
            return float(value)
    except OverflowError:
        pass
    raise DeclarationError(
        f"axis {name!r} mixes floats with {short(value)}, which no float64 is equal to: "
        "give all values as int or all as float"
    )


def _fit_int64(*values: int) -> bool:
    return all(_INT64[0] <= value < _INT64[1] for value in values)


def _object_array(elements: Sequence[Any]) -> npt.NDArray[Any]:
    array = np.empty(len(elements), dtype=object)
    array[:] = elements
    return array


def _times(elements: Sequence[Any]) -> npt.NDArray[Any]:
    if type(elements[0]) is datetime.date:
        return np.array(elements, dtype="datetime64[D]").astype("datetime64[us]")
    local = np.array([e.replace(tzinfo=None) for e in elements], dtype="datetime64[us]")
    offsets = [e.utcoffset() or datetime.timedelta() for e in elements]
    in_utc: npt.NDArray[Any] = local - np.array(offsets, dtype="timedelta64[us]")
    return in_utc


def _labelled(name: str, text: Any, item: Any) -> Labelled:
    if not isinstance(text, str) or not text:
        raise DeclarationError(f"axis {name!r} has the label {text!r}: labels are strings")
    _refuse_unwritable(name, text)
    return Labelled(str(text), item)


def _are_writable(texts: list[str]) -> bool:
    """Whether HDF5 can hold all of some texts; one by one, 10^6 take half a second."""
    joined = "".join(texts)
    return "\0" not in joined and (
        joined.isascii() or not any("\ud800" <= c <= "\udfff" for c in set(joined))
    )


def _refuse_unwritable(name: str, text: str) -> None:
    """Refuse text that HDF5 would cut off or cannot encode."""
    if "\0" in text or (not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text)):
        raise DeclarationError(
            f"axis {name!r}: the string {short(text)} holds a NUL or a lone surrogate, which no "
            "HDF5 file can hold: remove it"
        )


def _plain(name: str, value: Any) -> Any:
    """Return Python's own value for one of numpy or pandas; refuse what is no value."""
    if type(value) is not str and type(value) not in _PLAIN and quantities.is_quantity(value):
        raise DeclarationError(
            f"axis {name!r}: the quantity {short(value)} is nested or mixed with other "
            "values: give a list of quantities"
        )
    if isinstance(value, (np.ndarray, np.generic)) and value.ndim == 0:
        value = _from_numpy(name, value)
    elif isinstance(value, _TIMES) and hasattr(value, "asm8"):  # of pandas
        value = _from_pandas(name, value)
    if isinstance(value, (Labelled, enum.Enum)):
        return value
    if isinstance(value, str):
        _refuse_unwritable(name, value)
        return str.__str__(value)  # a subclass may show itself otherwise
    if type(value) in _PLAIN:
        if value != value:  # only NaN differs from itself
            raise _not_a_number(name)
        if type(value) is int and value.bit_length() > _INT_BITS:
            raise DeclarationError(
                f"axis {name!r} has a number of {value.bit_length():,} bits: at most {_INT_BITS:,} "
                "are possible; give it a label"
            )
        if type(value) is datetime.datetime:
            return _identified(name, value)
        return value + type(value)() if type(value) in (float, complex) else value  # -0.0 is 0.0
    if type(value) is tuple:
        return tuple(_plain(name, part) for part in value)
    if is_frozen(value):
        return _identified(name, _plain_fields(name, value))
    raise DeclarationError(
        f"axis {name!r}: {short(value)} of type {type(value).__name__} cannot identify a point; "
        f"allowed are {ALLOWED.format(name=name.partition('.')[0])}"
    )


def _identified(name: str, value: Any) -> Any:
    """Refuse a value that cannot identify a point."""
    try:
        encode(value)
    except DeclarationError as error:
        raise DeclarationError(f"axis {name!r}: {error}") from error
    return value


def _plain_fields(name: str, value: Any) -> Any:
    """Make the same dataclass with Python's own values as fields, like the values of an axis.

    Its key is made of these, so that it must not differ from one that has them.
    """
    given = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    plain = {key: _plain(f"{name}.{key}", item) for key, item in given.items()}
    changed = {key for key, item in given.items() if _differ(item, plain[key])}
    made = copy.copy(value) if changed else value
    for key in changed:
        object.__setattr__(made, key, plain[key])
    return made


def _differ(given: Any, plain: Any) -> bool:
    """Whether a function could tell a value from what `_plain` makes of it."""
    if type(given) is not type(plain):
        return True
    if type(given) is tuple:
        return any(map(_differ, given, plain))
    if type(given) in (float, complex):
        return repr(given) != repr(plain)
    return is_frozen(given) and given is not plain


def _from_numpy(name: str, value: Any) -> Any:
    if value.dtype.kind == "M":
        return _from_time(name, value, datetime.datetime, "outside the years 1 to 9999")
    if value.dtype.kind == "m":
        if np.datetime_data(value.dtype)[0] in {"Y", "M", "generic"}:
            raise DeclarationError(f"axis {name!r}: {value!r} has no fixed length: give days")
        return _from_time(name, value, datetime.timedelta, f"beyond {LONGEST}")
    if value.dtype.kind in "fc" and value.dtype.itemsize > (8 if value.dtype.kind == "f" else 16):
        raise DeclarationError(f"axis {name!r} has dtype {value.dtype}: use float64 or complex128")
    return value if value.dtype.kind == "V" else value.item()


def _from_time(name: str, value: Any, kind: type, beyond: str) -> Any:
    if np.isnat(value):
        raise _not_a_number(name)
    whole = value.astype(f"{value.dtype.kind}8[us]")
    if whole.astype(value.dtype) != value or not isinstance(whole.item(), kind):
        raise DeclarationError(f"axis {name!r}: {value} is finer than a microsecond, or {beyond}")
    return whole.item()


def _from_pandas(name: str, value: Any) -> Any:
    if str(value) == "NaT":
        raise _not_a_number(name)
    is_time = hasattr(value, "to_pydatetime")
    if value.nanosecond if is_time else value.nanoseconds:
        raise DeclarationError(f"axis {name!r}: {value} is finer than a microsecond")
    return value.to_pydatetime() if is_time else value.to_pytimedelta()


def _not_a_number(name: str, position: int | None = None) -> DeclarationError:
    where = "" if position is None else f" at position {position}"
    return DeclarationError(
        f"axis {name!r} holds NaN{where}, which equals nothing, not even itself: remove it"
    )
