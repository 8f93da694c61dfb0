"""Parameter values: tables of them, how each is shown, and what identifies it.

A value must say by itself what it is, so that the point it belongs to can be found again in
another process, on another machine, next year. Numbers, strings, booleans, None, enums, dates,
timedeltas, tuples and frozen dataclasses can; any other object gets a label and is known by that.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import functools
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from sweeps.errors import DeclarationError
from sweeps.spaces import quantities

NUMERIC = ("bool", "int", "float", "complex")
"""Kinds of values that are held as numpy's numbers."""


@dataclasses.dataclass(frozen=True)
class Labelled:
    """An object that is known by its label."""

    label: str
    object: Any


@dataclasses.dataclass(frozen=True, eq=False)
class Values:
    """A table of parameter values of one kind; made by `sweeps.spaces.accept.accept`.

    Attributes
    ----------
    kind : {"bool", "int", "float", "complex", "str", "time", "timedelta", "quantity", "label"}
        "time" are dates, "quantity" are numbers with one unit, "label" is everything whose
        coordinate is its label.
    array : numpy.ndarray or range
        What the coordinate shows: numbers, strings (object), datetime64, timedelta64 or labels
        (object).
        A long ``range`` stays one.
    objects : tuple or None
        What the function gets, for "time", "timedelta", "quantity" and "label"; `Labelled` for
        labelled objects.
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
        if self.objects is not None:
            return [unlabel(self.objects[code]) for code in codes.tolist()]
        shown = self.coordinate(codes)
        return shown if self.kind in NUMERIC else shown.tolist()

    def element(self, code: int) -> Any:
        """One value as a Python object; a labelled one as `Labelled`."""
        if self.objects is not None:
            return self.objects[code]
        value = self.array[code]
        return value.item() if isinstance(value, np.generic) else value

    def elements(self) -> Iterator[Any]:
        """All values, as `element` gives them."""
        if self.objects is not None:
            return iter(self.objects)
        return iter(self.array if isinstance(self.array, range) else self.array.tolist())

    def select(self, codes: npt.NDArray[np.int64]) -> Values:
        """Make the table of the values at `codes`."""
        objects = None if self.objects is None else tuple(self.objects[i] for i in codes.tolist())
        return Values(self.kind, self.coordinate(codes), objects)


def unlabel(element: Any) -> Any:
    """Take the object out of its label."""
    return element.object if isinstance(element, Labelled) else element


def label(element: Any) -> str:
    """Text that shows an element whose own type cannot be a coordinate.

    Examples
    --------
    >>> label(None), label((1, 2)), label("rk4")
    ('None', '(1, 2)', 'rk4')
    """
    if isinstance(element, Labelled):
        return element.label
    if isinstance(element, enum.Enum):
        return element.name or repr(element)  # an empty Flag has no name
    if isinstance(element, (datetime.date, datetime.datetime)):
        return element.isoformat()
    if isinstance(element, datetime.timedelta):
        return str(element)
    if type(element) not in _ENCODERS and quantities.is_quantity(element):
        return f"{quantities.plain(element)!r} {quantities.text_of(element)}"
    return element if isinstance(element, str) else repr(element)


def short(value: Any, width: int = 60) -> str:
    """Show a value in a message, at no great length."""
    try:
        text = repr(value)
    except Exception:  # of someone else's; and Python prints no integer of 4300 digits
        text = f"a value of type {type(value).__name__}"
    return text if len(text) <= width else text[: width - 1] + "…"


def is_frozen(value: Any) -> bool:
    """Whether a value is of a frozen dataclass."""
    parameters = vars(type(value)).get("__dataclass_params__")
    return parameters is not None and bool(parameters.frozen)


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
        return b"l" + element.label.encode()
    if isinstance(element, enum.Enum):
        return b"e" + f"{type(element).__qualname__}.{label(element)}".encode()
    if quantities.is_quantity(element):
        unit = quantities.unit_of(element)
        number = encode(quantities.plain(element) + 0.0)
        return f"q{unit.library} {unit.text}\0".encode() + number
    if isinstance(element, np.generic):  # in a dataclass; elsewhere they are Python's by now
        return encode(element.item())
    if is_frozen(element):
        fields = [getattr(element, field.name) for field in dataclasses.fields(element)]
        hidden = tuple(_hidden(element))
        code = b"D" + type(element).__qualname__.encode() + encode(tuple(fields))
        return code + encode(hidden) if hidden else code
    raise DeclarationError(
        f"{short(element)} of type {type(element).__name__} cannot identify a point"
    )


def _hidden(element: Any) -> Iterator[tuple[str, Any]]:
    """Find what a dataclass keeps beside its fields, such as what it made of an `InitVar`."""
    own = {field.name for field in dataclasses.fields(element)}
    if len(own) == len(type(element).__dataclass_fields__):
        return
    for name, value in sorted(getattr(element, "__dict__", {}).copy().items()):
        is_cached = isinstance(getattr(type(element), name, None), functools.cached_property)
        if name not in own and not is_cached:
            yield name, value


def _encode_time(value: datetime.datetime) -> bytes:
    # Two zones of one offset now need not have one in half a year.
    zone = str(value.tzinfo or "")
    if " at 0x" in zone:
        raise DeclarationError(
            f"the time zone {zone} has no name: use zoneinfo.ZoneInfo or datetime.timezone"
        )
    same = value.replace(fold=0)
    fold = " fold" if value.fold and same.isoformat() == value.isoformat() else ""
    return f"t{value.isoformat()} {zone}{fold}".encode()


def _encode_tuple(parts: tuple[Any, ...]) -> bytes:
    encoded = [encode(part) for part in parts]
    return b"(" + b"".join(struct.pack("<q", len(part)) + part for part in encoded)


_ENCODERS: dict[type, Any] = {
    bool: lambda value: b"b1" if value else b"b0",
    int: lambda value: b"i%d" % value,
    float: lambda value: b"f" + struct.pack("<d", value + 0.0),
    complex: lambda value: b"c" + struct.pack("<dd", value.real + 0.0, value.imag + 0.0),
    str: lambda value: b"s" + value.encode(),
    bytes: lambda value: b"y" + value,
    type(None): lambda value: b"n",
    datetime.date: lambda value: b"d" + value.isoformat().encode(),
    datetime.datetime: _encode_time,
    datetime.timedelta: lambda value: b"p%d" % (value // datetime.timedelta.resolution),
    tuple: _encode_tuple,
}


def decode(encoded: bytes) -> Any:
    """Read what `encode` wrote; raise `LookupError` for types that it does not write in full."""
    tag, rest = encoded[:1], encoded[1:]
    if tag == b"(":
        return tuple(map(decode, _pieces(rest)))
    return _DECODERS[tag](rest)


def _pieces(rest: bytes) -> Iterator[bytes]:
    while rest:
        (size,) = struct.unpack_from("<q", rest)
        yield rest[8 : 8 + size]
        rest = rest[8 + size :]


_DECODERS: dict[bytes, Any] = {
    b"b": lambda rest: rest == b"1",
    b"i": int,
    b"f": lambda rest: struct.unpack("<d", rest)[0],
    b"c": lambda rest: complex(*struct.unpack("<dd", rest)),
    b"s": bytes.decode,
    b"y": bytes,
    b"n": lambda rest: None,
    b"d": lambda rest: datetime.date.fromisoformat(rest.decode()),
    b"t": lambda rest: datetime.datetime.fromisoformat(rest.decode().partition(" ")[0]),
    b"p": lambda rest: int(rest) * datetime.timedelta.resolution,
}


def behind(element: Any) -> Iterator[Any]:
    """Find what belongs to an element and `encode` leaves out: labelled objects, and classes.

    Examples
    --------
    >>> list(behind((1, Labelled("root", abs))))
    [<built-in function abs>]
    """
    if isinstance(element, Labelled):
        yield element.object
    elif isinstance(element, enum.Enum):
        yield type(element)
    elif type(element) is tuple:
        for part in element:
            yield from behind(part)
    elif is_frozen(element):
        yield type(element)
        for field in dataclasses.fields(element):
            yield from behind(getattr(element, field.name))


def factorize(name: str, table: Values) -> tuple[Values, npt.NDArray[np.int64]]:
    """Split a column into its distinct values, in order of appearance, and their codes."""
    if table.kind in NUMERIC:
        if not _has_equal(table.coordinate()):
            return table.select(every := np.arange(len(table))), every
        _, first, inverse = np.unique(table.coordinate(), return_index=True, return_inverse=True)
        order = np.argsort(first)
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        return table.select(first[order]), rank[inverse.reshape(-1)]
    seen: dict[Any, int] = {}
    identities = table.elements() if table.kind == "str" else map(encode, table.elements())
    codes = np.array([seen.setdefault(i, len(seen)) for i in identities], dtype=np.int64)
    distinct = table.select(np.unique(codes, return_index=True)[1])
    _refuse_ambiguous(name, table, distinct, codes)
    return distinct, codes


def _refuse_ambiguous(
    name: str, table: Values, distinct: Values, codes: npt.NDArray[np.int64]
) -> None:
    """Refuse different values with one coordinate, and different objects with one label."""
    if distinct.objects is None:
        return
    seen: dict[Any, Any] = {}
    for element, shown in zip(distinct.objects, distinct.coordinate().tolist(), strict=True):
        if seen.setdefault(shown, element) is not element:
            raise DeclarationError(
                f"axis {name!r}: {short(seen[shown])} and {short(element)} would both be labelled "
                f"{str(shown)!r}: give labels, {name}={{'label': value, ...}}"
            )
    for element, code in zip(table.objects or (), codes.tolist(), strict=True):
        if unlabel(element) is not unlabel(distinct.objects[code]) and isinstance(
            element, Labelled
        ):
            raise DeclarationError(
                f"axis {name!r}: two objects have the label {element.label!r}: give each its own, "
                "or use one and the same object"
            )


def _has_equal(numbers: npt.NDArray[Any]) -> bool:
    """Whether some numbers are equal: to sort 10^6 takes 10 ms, and to list them once 0.13 s."""
    ascending = np.sort(numbers)
    return bool((ascending[1:] == ascending[:-1]).any())


def refuse_duplicates(name: str, table: Values) -> None:
    """Raise `DeclarationError` if a value is listed twice, or two values have one coordinate."""
    if isinstance(table.array, range):
        return
    if table.kind in NUMERIC and not _has_equal(table.array):
        return
    if table.kind == "str" and len({*table.array.tolist()}) == len(table):
        return
    _, codes = factorize(name, table)
    repeated = np.flatnonzero(np.bincount(codes) > 1)
    if repeated.size:
        first, again = np.flatnonzero(codes == repeated[0])[:2].tolist()
        raise DeclarationError(
            f"axis {name!r} has the value {label(table.element(first))} twice, at positions "
            f"{first} and {again}: give each value once"
        )
