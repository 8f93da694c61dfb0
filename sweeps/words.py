"""Words that are not quoted: numbers, true, false, none and dates, read and never evaluated."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable
from typing import Any

_INFINITY = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)
_NAN = re.compile(r"[+-]?nan", re.IGNORECASE)
_NUMBER_LIKE = re.compile(r"[+\-−]?\.?[0-9]")
_LEADING_ZERO = re.compile(r"[+-]?0[0_]*[1-9]")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DATETIME = re.compile(
    _DATE.pattern + r"T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})?"
)
_CONSTANTS = {"true": True, "false": False, "none": None}


def is_value(word: str) -> bool:
    """Whether a word is, or is meant as, a number, true, false, none or a date; else it is text.

    Examples
    --------
    >>> is_value("1e-3"), is_value("None"), is_value("rk4")
    (True, True, False)
    """
    plain = word.lower() in _CONSTANTS or _NAN.fullmatch(word) or _INFINITY.fullmatch(word)
    return bool(plain or _NUMBER_LIKE.match(word))


def is_interval(word: str) -> bool:
    """Whether a word is, or is meant as, a range of numbers, ``low:high``.

    Examples
    --------
    >>> is_interval("0.1:2"), is_interval("2024-01-31T12:00"), is_interval("C:1")
    (True, False, False)
    """
    low, colon, _ = word.partition(":")
    return bool(colon) and is_value(low) and not _DATE.match(low)


def value(word: str) -> Any:
    """Read a word that `is_value`; any other is text, itself.

    Raises
    ------
    ValueError
        Saying why it is none of what it looks like.

    Examples
    --------
    >>> value("0x1f"), value("none"), value("2024-01-31"), value("rk4")
    (31, None, datetime.date(2024, 1, 31), 'rk4')
    """
    if word.lower() in _CONSTANTS:
        return _CONSTANTS[word.lower()]
    if _NAN.fullmatch(word):
        raise ValueError("nan is equal to nothing, itself included: it names no point")
    if _INFINITY.fullmatch(word):
        return float(word)
    if not _NUMBER_LIKE.match(word):
        return word
    return _date(word) if _DATE.match(word) else _number(word)


def finite(word: str) -> int | float:
    """Read a finite real number.

    Raises
    ------
    ValueError
        Where it is none.
    """
    number = value(word)
    if type(number) is int or (type(number) is float and math.isfinite(number)):
        return number
    raise ValueError(f"{word} is no finite number")


def _date(word: str) -> datetime.date:
    reader: Callable[[str], datetime.date] = datetime.date.fromisoformat
    if not _DATE.fullmatch(word):
        reader = datetime.datetime.fromisoformat
        if not _DATETIME.fullmatch(word):
            raise ValueError("dates are 2024-01-31, 2024-01-31T12:00 or 2024-01-31T12:00:00.5Z")
    try:
        return reader(word)
    except ValueError as error:
        raise ValueError(f"no such date: {error}") from None


def _number(word: str) -> int | float | complex:
    """Read a number as Python's source does: 1_000 and 0x1f, but not 007, which may be a name."""
    if _LEADING_ZERO.match(word):
        raise ValueError(f"a number has no leading zeros; as text it would be quoted, '{word}'")
    readers: tuple[Callable[[str], int | float | complex], ...] = (_integer, float, complex)
    for reader in readers:
        try:
            number = reader(word)
        except ValueError:
            continue
        if isinstance(number, int) or (math.isfinite(number.real) and math.isfinite(number.imag)):
            return number
        raise ValueError("not a finite number; infinity is written inf")
    raise ValueError(f"looks like a number and is none; as text it would be quoted, '{word}'")


def _integer(word: str) -> int:
    return int(word, 0)
