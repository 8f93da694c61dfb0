"""Parameter values: which are allowed, what the function gets, what the coordinate shows.

A value must say by itself what it is, so that the point it belongs to can be found again in
another process, on another machine, next year. Numbers, strings, booleans, None, enums, dates,
tuples and frozen dataclasses can; any other object gets a label and is known by that.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sweeps.errors import DeclarationError

ALLOWED = (
    "numbers, strings, booleans, None, enums, dates, tuples and frozen dataclasses; "
    "for other objects give labels: {name}={{'label': object, ...}}"
)
_NUMERIC = {bool: "bool", int: "int", float: "float", complex: "complex"}
_INT64 = (-(2**63), 2**63)
_LAZY_RANGE = 2**16
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


@dataclasses.dataclass(frozen=True)
class Labelled:
    """An object that is known by its label."""

    label: str
    object: Any


@dataclasses.dataclass(frozen=True, eq=False)
class Values:
    """A table of parameter values of one kind.

    Attributes
    ----------
    kind : {"bool", "int", "float", "complex", "str", "time", "label"}
        "time" are dates, "label" is everything whose coordinate is its label.
    array : numpy.ndarray or range
        What the coordinate shows: numbers, strings (object), datetime64 or labels (object).
        A long ``range`` stays one.
    objects : tuple or None
        What the function gets, for "time" and "label"; `Labelled` for labelled objects.
    """

    kind: str
    array: npt.NDArray[Any] | range
    objects: tuple[Any, ...] | None = None

    def __len__(self) -> int:
        return len(self.array)

    def coordinate(self, codes: npt.NDArray[np.int64] | None = None) -> npt.NDArray[Any]:
        """Coordinate values, all or those at `codes`."""
        if isinstance(self.array, range):
            index = np.arange(len(self.array)) if codes is None else codes
            return np.asarray(self.array.start + self.array.step * index, dtype=np.int64)
        return self.array if codes is None else self.array[codes]

    def column(self, codes: npt.NDArray[np.int64]) -> npt.NDArray[Any] | list[Any]:
        """What the function gets at `codes`: an array for numbers, else a list of objects."""
        if self.kind in _NUMERIC.values():
            return self.coordinate(codes)
        return [unlabel(self.element(code)) for code in codes.tolist()]

    def element(self, code: int) -> Any:
        """One value as a Python object; a labelled one as `Labelled`."""
        if self.objects is not None:
            return self.objects[code]
        value = self.array[code]
        return value.item() if isinstance(value, np.generic) else value

    def elements(self) -> Iterator[Any]:
        """All values, as `element` gives them."""
        return (self.element(code) for code in range(len(self)))

    def select(self, codes: npt.NDArray[np.int64]) -> Values:
        """Make the table of the values at `codes`."""
        objects = None if self.objects is None else tuple(self.objects[i] for i in codes.tolist())
        return Values(self.kind, self.coordinate(codes), objects)


def unlabel(element: Any) -> Any:
    """Take the object out of its label."""
    return element.object if isinstance(element, Labelled) else element


def canonical(name: str, raw: Any) -> Values:
    """Make the table of a parameter's values, refusing what cannot identify a point.

    Parameters
    ----------
    name : str
        The parameter, for messages.
    raw : array_like, range, iterable or mapping
        Its values; a mapping of labels to objects.

    Raises
    ------
    DeclarationError
        For NaN, values of no allowed type, an empty or unordered collection.
    """
    if isinstance(raw, range) and len(raw) > _LAZY_RANGE and _fits_int64(raw[0], raw[-1]):
        return Values("int", raw)
    if isinstance(raw, Mapping):
        return _from_elements(name, [Labelled(*_label(name, item)) for item in raw.items()])
    if hasattr(raw, "to_numpy"):  # pandas and xarray
        raw = raw.to_numpy()
    if isinstance(raw, np.ndarray) and raw.dtype.kind in "biufc" and raw.dtype.itemsize <= 16:
        return _from_array(name, raw)
    if isinstance(raw, (str, bytes)) or not isinstance(raw, Iterable):
        raise DeclarationError(
            f"axis {name!r} is {raw!r}: give a list of values, such as {name}=[{raw!r}]"
        )
    if isinstance(raw, (set, frozenset)):
        raise DeclarationError(f"axis {name!r} is a set, which has no order: give a list")
    return _from_elements(name, [_plain(name, value) for value in raw])


def _from_array(name: str, raw: npt.NDArray[Any]) -> Values:
    if raw.ndim != 1:
        raise DeclarationError(
            f"axis {name!r} has shape {raw.shape}: give a one-dimensional array of values"
        )
    if raw.dtype.kind in "fc" and np.isnan(raw).any():
        raise _not_a_number(name, int(np.flatnonzero(np.isnan(raw))[0]))
    if raw.dtype.itemsize > 8 and raw.dtype.kind == "f":
        raise DeclarationError(f"axis {name!r} has dtype {raw.dtype}: use float64")
    kind = {"b": "bool", "i": "int", "u": "int", "f": "float", "c": "complex"}[raw.dtype.kind]
    if raw.dtype == np.uint64 and raw.size and int(raw.max()) >= _INT64[1]:
        return Values("int", raw.copy())
    dtype = {"bool": np.bool_, "int": np.int64, "float": np.float64, "complex": np.complex128}[kind]
    array: npt.NDArray[Any] = raw.astype(dtype)
    if kind in ("float", "complex"):
        array += 0.0  # -0.0 is 0.0
    return Values(kind, array)


def _from_elements(name: str, elements: list[Any]) -> Values:
    types = set(map(type, elements))
    if types and (types <= {int, float, complex} or types == {bool}):
        return _numbers(name, elements, types)
    if types == {str}:
        return Values("str", _object_array(elements))
    if types == {datetime.date} or (
        types == {datetime.datetime} and len({e.tzinfo is None for e in elements}) == 1
    ):
        return Values("time", _times(elements), tuple(elements))
    return Values("label", _object_array([label(e) for e in elements]), tuple(elements))


def _numbers(name: str, elements: list[Any], types: set[type]) -> Values:
    if types <= {int}:
        low, high = min(elements), max(elements)
        if _fits_int64(low, high):
            return Values("int", np.array(elements, dtype=np.int64))
        if low >= 0 and high < 2**64:
            return Values("int", np.array(elements, dtype=np.uint64))
        return Values("label", _object_array([str(e) for e in elements]), tuple(elements))
    if types == {bool}:
        return Values("bool", np.array(elements, dtype=np.bool_))
    for value in elements if int in types else ():
        if type(value) is int and abs(value) > 2**53 and _as_float(value) != value:
            raise DeclarationError(
                f"axis {name!r} mixes floats with {value}, which no float64 is equal to: "
                "give all values as int or all as float"
            )
    return _from_array(name, np.array(elements, dtype=complex if complex in types else float))


def _as_float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf")


def _fits_int64(*values: int) -> bool:
    return all(_INT64[0] <= value < _INT64[1] for value in values)


def _object_array(elements: Sequence[Any]) -> npt.NDArray[Any]:
    array = np.empty(len(elements), dtype=object)
    array[:] = elements
    return array


def _times(elements: Sequence[Any]) -> npt.NDArray[Any]:
    if type(elements[0]) is datetime.date:
        return np.array(elements, dtype="datetime64[D]").astype("datetime64[us]")
    naive = [e.astimezone(datetime.UTC).replace(tzinfo=None) if e.tzinfo else e for e in elements]
    return np.array(naive, dtype="datetime64[us]")


def _label(name: str, item: tuple[Any, Any]) -> tuple[str, Any]:
    if not isinstance(item[0], str) or not item[0]:
        raise DeclarationError(f"axis {name!r} has the label {item[0]!r}: labels are strings")
    refuse_unwritable(name, item[0])
    return item


def refuse_unwritable(name: str, text: str) -> None:
    """Raise `DeclarationError` for text that HDF5 would cut off or cannot encode."""
    if "\0" in text or (not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text)):
        raise DeclarationError(
            f"axis {name!r}: the string {text!r} holds a NUL or a lone surrogate, which no "
            "HDF5 file can hold: remove it"
        )


def _plain(name: str, value: Any) -> Any:
    """Python's own scalar for numpy's; refuse what is no value."""
    if isinstance(value, (np.ndarray, np.generic)) and value.ndim == 0:
        value = _from_numpy(name, value)
    if isinstance(value, Labelled):
        return value
    if type(value) in _NUMERIC or value is None or isinstance(value, (str, bytes, enum.Enum)):
        if value != value:  # only NaN differs from itself
            raise _not_a_number(name)
        if isinstance(value, str):
            refuse_unwritable(name, value)
        return value
    if type(value) is tuple:
        return tuple(_plain(name, part) for part in value)
    if isinstance(value, (datetime.date, datetime.datetime)):
        if str(value) == "NaT":  # pandas
            raise _not_a_number(name)
        return value.to_pydatetime() if hasattr(value, "to_pydatetime") else value
    if _is_frozen(value):
        for field in dataclasses.fields(value):
            _plain(f"{name}.{field.name}", getattr(value, field.name))
        return value
    raise DeclarationError(
        f"axis {name!r}: {_short(value)} of type {type(value).__name__} cannot identify a point; "
        f"allowed are {ALLOWED.format(name=name)}"
    )


def _from_numpy(name: str, value: Any) -> Any:
    if value.dtype.kind == "M":
        if np.isnat(value):
            raise _not_a_number(name)
        whole = value.astype("datetime64[us]")
        if whole != value:
            raise DeclarationError(f"axis {name!r}: {value} is finer than a microsecond")
        return whole.item()
    if value.dtype.kind in "fc" and value.dtype.itemsize > (8 if value.dtype.kind == "f" else 16):
        raise DeclarationError(f"axis {name!r} has dtype {value.dtype}: use float64")
    return value.item()


def _is_frozen(value: Any) -> bool:
    parameters = getattr(type(value), "__dataclass_params__", None)
    return parameters is not None and bool(parameters.frozen)


def _not_a_number(name: str, position: int | None = None) -> DeclarationError:
    where = "" if position is None else f" at position {position}"
    return DeclarationError(
        f"axis {name!r} holds NaN{where}, which is equal to nothing, itself included: remove it"
    )


def _short(value: Any, width: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= width else text[: width - 1] + "…"


def label(element: Any) -> str:
    """Text that shows an element where its own type cannot be a coordinate.

    Examples
    --------
    >>> label(None), label((1, 2)), label("rk4")
    ('None', '(1, 2)', 'rk4')
    """
    if isinstance(element, Labelled):
        return element.label
    if isinstance(element, enum.Enum):
        return element.name
    if isinstance(element, (datetime.date, datetime.datetime)):
        return element.isoformat()
    return element if isinstance(element, str) else repr(element)


def encode(element: Any) -> bytes:
    """Bytes that are the same for the same value only: a tag of its type, then the exact value.

    Examples
    --------
    >>> encode(1) == encode(1.0), encode(0.0) == encode(-0.0)
    (False, True)
    """
    encoder = _ENCODERS.get(type(element))
    if encoder is not None:
        return bytes(encoder(element))
    if isinstance(element, Labelled):
        return b"l" + element.label.encode("utf-8", "surrogatepass")
    if isinstance(element, enum.Enum):
        return b"e" + f"{type(element).__qualname__}.{element.name}".encode()
    if _is_frozen(element):
        fields = [getattr(element, field.name) for field in dataclasses.fields(element)]
        return b"D" + type(element).__qualname__.encode() + encode(tuple(fields))
    raise DeclarationError(f"{_short(element)} cannot identify a point; allowed are {ALLOWED}")


def _encode_tuple(parts: tuple[Any, ...]) -> bytes:
    encoded = [encode(part) for part in parts]
    return b"(" + b"".join(struct.pack("<q", len(part)) + part for part in encoded)


_ENCODERS: dict[type, Any] = {
    bool: lambda value: b"b1" if value else b"b0",
    int: lambda value: b"i" + str(value).encode(),
    float: lambda value: b"f" + struct.pack("<d", value + 0.0),
    complex: lambda value: b"c" + struct.pack("<dd", value.real + 0.0, value.imag + 0.0),
    str: lambda value: b"s" + value.encode("utf-8", "surrogatepass"),
    bytes: lambda value: b"y" + value,
    type(None): lambda value: b"n",
    datetime.date: lambda value: b"d" + value.isoformat().encode(),
    datetime.datetime: lambda value: b"t" + value.isoformat().encode(),
    tuple: _encode_tuple,
}


def factorize(name: str, table: Values) -> tuple[Values, npt.NDArray[np.int64]]:
    """Split a column into its distinct values, in order of appearance, and their codes."""
    if table.objects is None and table.kind != "str":
        _, first, inverse = np.unique(table.coordinate(), return_index=True, return_inverse=True)
        order = np.argsort(first)
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        return table.select(first[order]), rank[inverse.reshape(-1)]
    seen: dict[bytes, int] = {}
    codes = [seen.setdefault(encode(element), len(seen)) for element in table.elements()]
    first_codes = np.unique(np.array(codes), return_index=True)[1]
    distinct = table.select(first_codes)
    refuse_shared_labels(name, distinct)
    return distinct, np.array(codes, dtype=np.int64)


def refuse_duplicates(name: str, table: Values) -> None:
    """Raise `DeclarationError` where a value stands twice, or two values have one label."""
    if isinstance(table.array, range):
        return
    _, codes = factorize(name, table)
    repeated = np.flatnonzero(np.bincount(codes) > 1)
    if repeated.size:
        first, again = np.flatnonzero(codes == repeated[0])[:2].tolist()
        raise DeclarationError(
            f"axis {name!r} has the value {label(table.element(first))} twice, at positions "
            f"{first} and {again}: give each value once"
        )


def refuse_shared_labels(name: str, distinct: Values) -> None:
    """Raise `DeclarationError` where different values would have one coordinate."""
    if distinct.kind != "label":
        return
    seen: dict[str, Any] = {}
    for element in distinct.elements():
        text = label(element)
        if text in seen:
            raise DeclarationError(
                f"axis {name!r}: {seen[text]!r} and {element!r} would both be labelled {text!r}: "
                f"give labels, {name}={{'label': value, ...}}"
            )
        seen[text] = element
