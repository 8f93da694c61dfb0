"""Kinds of values: how each is recognised, held by numpy, stored, read back and shown.

A new kind is a class here and its line in `KINDS`. All other code asks `of(dtype)`.
"""

from __future__ import annotations

import datetime
import hashlib
import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from sweeps.errors import OutputError

STRING = h5py.string_dtype()

LONGEST = datetime.timedelta(microseconds=2**63 - 1)
"""The longest timedelta that numpy holds; of a longer one it silently makes another one."""

_NUMERIC = frozenset(["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8", "c8", "c16"])

# By bytes: the fill values of netCDF-C, except that of 8 bytes, which is no double. Octave 7.3 does
# not find the double before it, -2^63, in int64.
_INTEGER_FILL = {1: -127, 2: -(2**15) + 1, 4: -(2**31) + 1, 8: -(2**63) + 1024}

_UNITS = {"D": "days", "us": "microseconds", "ns": "nanoseconds"}

Attribute = Callable[[str], str]
"""Gives an attribute of a dataset by its name; empty where there is none."""


class Kind:
    """Numbers; and of other kinds all that they do not say otherwise.

    Attributes
    ----------
    name : str
        Values of kinds of one name can share a variable.
    allowed : tuple of str
        What users may return, for messages; numpy's types of it.
    codes : str
        Letters of numpy's ``dtype.kind``.
    types : tuple of type
        Python's own objects of this kind that numpy holds as objects at first.
    is_raw : bool
        Whether the bytes that numpy holds are also those that are stored.
    has_nat : bool
        Whether one of its values, NaT, is none, and equals nothing.
    hint : str
        Option of ``xarray.open_dataset`` that has it decode such values.
    """

    name = "number"
    allowed = (
        "numbers (also complex)",
        "int8 to int64, uint8 to uint64, float32, float64, complex64, complex128",
    )
    codes = "iufc"
    types: tuple[type, ...] = ()
    is_raw = True
    has_nat = False
    hint = ""

    def shown(self, dtype: np.dtype[Any]) -> str:
        """What a value is, in messages."""
        return str(dtype)

    def from_objects(self, shown: str, objects: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Make an array of Python's own objects; raise `OutputError` that begins with `shown`."""
        return objects

    def checked(self, shown: str, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return an array that can be stored; raise `OutputError` that begins with `shown`."""
        return array

    def stored(self, dtype: np.dtype[Any]) -> tuple[np.dtype[Any], dict[str, Any]]:
        """Return the dtype that is stored, and the attributes by which `restored` knows it."""
        if dtype.str[1:] in _NUMERIC:
            return dtype.newbyteorder("="), {}
        raise _refused(dtype)

    def encoded(self, values: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], dict[str, Any]]:
        """Turn values into what is stored, and give the attributes."""
        stored, attributes = self.stored(values.dtype)
        return values.astype(stored, copy=False), attributes

    def restored(self, said: Attribute) -> str | None:
        """Return the dtype of values that are stored as integers; None if they are of no such."""
        return None

    def is_own(self, dtype: np.dtype[Any], said: Attribute) -> bool:
        """Whether a dataset was made by `encoded`; other programs write similar ones."""
        return dtype == np.int64 and self.restored(said) is not None

    def fills(self, dtype: np.dtype[Any]) -> tuple[np.dtype[Any], Iterator[Any]]:
        """Choose a dtype with room for a fill value, and candidates for it, the best first.

        Integers of less than 8 bytes get the next wider dtype, so that none of their values can be
        the fill value: an image uses all 256 values of a byte, and a saturated camera 65535, which
        netCDF uses for uint16. xarray turns integers with a fill value into floats anyway.
        Those of 8 bytes have more candidates than a file has values. The candidates are exact as
        doubles, because Octave compares doubles.
        """
        if dtype.kind in "fc":
            return dtype, iter([dtype.type(np.nan) * dtype.type(1j if dtype.kind == "c" else 1)])
        if dtype.itemsize < 8:
            wider = np.dtype(f"i{2 * dtype.itemsize}")
            return wider, iter([wider.type(_INTEGER_FILL[wider.itemsize])])
        if dtype.kind == "i":
            return dtype, map(np.int64, range(_INTEGER_FILL[8], 0, 1024))
        return dtype, map(np.uint64, range(2**64 - 2048, 2**63, -2048))

    def item(self, value: npt.NDArray[Any]) -> Any:
        """Return a single value as Python's own."""
        return value.item()

    def text(self, value: npt.NDArray[Any]) -> str:
        """Show a single value."""
        return repr(value.item())


class _Bool(Kind):
    name, codes = "bool", "b"
    allowed = ("booleans", "bool")

    def stored(self, dtype: np.dtype[Any]) -> tuple[np.dtype[Any], dict[str, Any]]:
        return np.dtype(np.int8), {"dtype": "bool"}  # a convention of xarray

    def restored(self, said: Attribute) -> str | None:
        return "bool" if said("dtype") == "bool" else None

    def fills(self, dtype: np.dtype[Any]) -> tuple[np.dtype[Any], Iterator[Any]]:
        """Lose ``dtype="bool"``: missing values would read as True."""
        return np.dtype(np.int8), iter([np.int8(_INTEGER_FILL[1])])


class _Text(Kind):
    name, codes, types, is_raw = "str", "OUT", (str,), False
    allowed = ("strings", "str")

    def shown(self, dtype: np.dtype[Any]) -> str:
        return "str" if dtype.kind == "O" else str(dtype)

    def stored(self, dtype: np.dtype[Any]) -> tuple[np.dtype[Any], dict[str, Any]]:
        return STRING, {}  # of UTF-8, and of any length

    def fills(self, dtype: np.dtype[Any]) -> tuple[np.dtype[Any], Iterator[Any]]:
        """Have more candidates than a file has values."""
        numbered = map("<missing {}>".format, itertools.count(2))
        return np.dtype(object), itertools.chain(["", "missing", "<missing>"], numbered)


class _Time(Kind):
    """Times, as datetime64 and int64."""

    name, codes = "time", "M"
    types: tuple[type, ...] = (datetime.date,)
    allowed = ("dates", "datetime64 of whole microseconds")
    is_raw, has_nat = False, True

    _days: tuple[str, ...] = ("Y", "M", "W", "D")  # units that are stored as days
    _attribute = re.compile(r"(days|microseconds|nanoseconds) since 1970-01-01 00:00:00")

    def shown(self, dtype: np.dtype[Any]) -> str:
        return f"a {self.name}"

    def from_objects(self, shown: str, objects: npt.NDArray[Any]) -> npt.NDArray[Any]:
        for item in objects.flat:
            if any(getattr(item, part, 0) > 0 for part in ("nanosecond", "nanoseconds")):
                raise OutputError(
                    f"{shown} has times of pandas finer than microseconds: round('us') them"
                )
        return objects.astype(f"{self.codes}8[us]")

    def checked(self, shown: str, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return whole microseconds."""
        made = array.astype(f"{self.codes}8[us]")
        if not np.array_equal(made.astype(array.dtype).view(np.int64), array.view(np.int64)):
            raise OutputError(
                f"{shown} has times finer than microseconds, or out of range: round them, "
                f".astype('{array.dtype.type.__name__}[us]')"
            )
        return made

    def stored(self, dtype: np.dtype[Any]) -> tuple[np.dtype[Any], dict[str, Any]]:
        units = f"{_UNITS[self._resolution(dtype)]} since 1970-01-01 00:00:00"
        return np.dtype(np.int64), {"units": units, "calendar": "proleptic_gregorian"}

    def encoded(self, values: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], dict[str, Any]]:
        _, attributes = self.stored(values.dtype)
        if np.isnat(values).any():
            attributes["_FillValue"] = np.int64(np.iinfo(np.int64).min)  # how numpy stores NaT
        whole = values.astype(f"{self.codes}8[{self._resolution(values.dtype)}]")
        return whole.astype(np.int64), attributes

    def restored(self, said: Attribute) -> str | None:
        match = self._attribute.fullmatch(said("units"))
        units = {name: unit for unit, name in _UNITS.items()}
        return f"M8[{units[match[1]]}]" if match else None

    def is_own(self, dtype: np.dtype[Any], said: Attribute) -> bool:
        return said("calendar") == "proleptic_gregorian" and super().is_own(dtype, said)

    def fills(self, dtype: np.dtype[Any]) -> tuple[np.dtype[Any], Iterator[Any]]:
        return dtype, iter([dtype.type("NaT")])

    def item(self, value: npt.NDArray[Any]) -> Any:
        """Return a `datetime` object; of nanoseconds numpy makes an int."""
        return value.astype(f"{self.codes}8[us]").item()

    def text(self, value: npt.NDArray[Any]) -> str:
        return str(value)

    def _resolution(self, dtype: np.dtype[Any]) -> str:
        """Return the coarsest of D, us and ns that holds all exactly."""
        unit = np.datetime_data(dtype)[0]
        if unit in self._days:
            return "D"
        if unit in {"W", "D", "h", "m", "s", "ms", "us"}:
            return "us"
        if unit == "ns":
            return "ns"
        raise _refused(dtype)


class _Timedelta(_Time):
    """Differences of times, as timedelta64 and int64; years and months have no fixed length."""

    name, codes, types = "timedelta", "m", (datetime.timedelta,)
    allowed = ("timedeltas", "timedelta64 of whole microseconds")
    hint = "decode_timedelta"

    _days = ()
    _attribute = re.compile(r"timedelta64\[(us|ns)\]")

    def from_objects(self, shown: str, objects: npt.NDArray[Any]) -> npt.NDArray[Any]:
        made = super().from_objects(shown, objects)
        if max(map(abs, objects.flat)) > LONGEST:
            raise OutputError(f"{shown} is a timedelta beyond {LONGEST}: return a number")
        return made

    def checked(self, shown: str, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        unit = np.datetime_data(array.dtype)[0]
        if unit in {"Y", "M"} or (unit == "generic" and not np.isnat(array).all()):
            raise OutputError(
                f"{shown} is of {array.dtype}, which has no fixed length: return days, or less, "
                ".astype('timedelta64[D]')"
            )
        return super().checked(shown, array)

    def stored(self, dtype: np.dtype[Any]) -> tuple[np.dtype[Any], dict[str, Any]]:
        unit = self._resolution(dtype)
        return np.dtype(np.int64), {"units": _UNITS[unit], "dtype": f"timedelta64[{unit}]"}

    def restored(self, said: Attribute) -> str | None:
        found = said("dtype")  # a convention of xarray
        return found if self._attribute.fullmatch(found) else None

    def is_own(self, dtype: np.dtype[Any], said: Attribute) -> bool:
        return Kind.is_own(self, dtype, said)


NUMBER = Kind()
KINDS = (NUMBER, _Text(), _Bool(), _Time(), _Timedelta())

ALLOWED = ", ".join(kind.allowed[1] for kind in KINDS)

_BY_CODE = {code: kind for kind in KINDS for code in kind.codes}


def of(dtype: np.dtype[Any]) -> Kind:
    """Return the kind of an array's values.

    Examples
    --------
    >>> of(np.dtype("M8[s]")).name, of(np.dtype(np.int8)).name
    ('time', 'number')
    """
    return _BY_CODE.get(dtype.kind, NUMBER)


def digest(array: npt.NDArray[Any]) -> str:
    """Return the content of an array in short."""
    is_raw = of(array.dtype).is_raw
    content = array.tobytes() if is_raw else repr(array.tolist()).encode()
    head = f"{array.dtype}{array.shape}".encode()
    return hashlib.blake2b(head + content, digest_size=16).hexdigest()


def _refused(dtype: np.dtype[Any]) -> OutputError:
    return OutputError(f"cannot store values of dtype {dtype}; allowed are {ALLOWED}.")
