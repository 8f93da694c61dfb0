"""Overrides: the ``name=values`` of the command line, read by a small grammar and never evaluated.

::

    override = name "=" item {"," item}
    item     = series | value
    series   = ("linspace" | "logspace" | "geomspace" | "range" | "arange") "(" numbers ")"
    value    = number | true | false | none | date | "quoted" | 'quoted' | word | tuple
    tuple    = "(" value "," ")" | "(" value "," value {"," value} [","] ")"
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from sweeps.errors import OverrideError
from sweeps.series import MAX_VALUES, SERIES, series

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Values: TypeAlias = tuple[object, ...] | range | npt.NDArray[np.float64]

MAX_DEPTH = 8
ALLOWED = (
    "allowed are numbers, true, false, none, dates (2024-01-31, 2024-01-31T12:00), words, "
    f"'quoted text', tuples (1,2) and {', '.join(SERIES)}"
)

_TOKEN = re.compile(
    r"""\s*(?:(?P<quoted>'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")
           |(?P<mark>[(),])
           |(?P<bare>[^\s,()'"=\[\]{}]+)
           |(?P<end>\Z))""",
    re.VERBOSE | re.DOTALL,
)
_INFINITY = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)
_NAN = re.compile(r"[+-]?nan", re.IGNORECASE)
_NUMBER_LIKE = re.compile(r"[+\-−]?\.?[0-9]")
_LEADING_ZERO = re.compile(r"[+-]?0[0_]*[1-9]")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DATETIME = re.compile(
    _DATE.pattern + r"T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})?"
)
_CONSTANTS = {"true": True, "false": False, "none": None}


def parse(text: str) -> tuple[str, Values]:
    """Read one ``name=values``.

    Returns
    -------
    name : str
        The parameter.
    values : tuple, range or numpy.ndarray
        A single linspace, logspace, geomspace or arange is the array that numpy makes of it,
        bit for bit; a single series of whole numbers is a range; all else is a tuple.

    Raises
    ------
    OverrideError
        Showing where the text cannot be read, and what may stand there.

    Examples
    --------
    >>> parse("length=0.1,0.5,1")
    ('length', (0.1, 0.5, 1))
    >>> parse("method=rk4,'two words',none,(1,2)")
    ('method', ('rk4', 'two words', None, (1, 2)))
    >>> parse("x=0,linspace(1,2,3)")
    ('x', (0, 1.0, 1.5, 2.0))
    >>> parse("day=2024-02-30")
    Traceback (most recent call last):
    sweeps.errors.OverrideError: no such date: day is out of range for month
      day=2024-02-30
          ^
    """
    name, equals, _ = text.partition("=")
    if not equals:
        raise _error(text, len(text), "no '=': write name=values, such as length=0.1,0.5")
    name = _identifier(name.strip())
    if not name.isidentifier():
        raise _error(text, 0, "a parameter's name is letters, digits and _, as in Python")
    return name, _Reader(text, start=text.index("=") + 1).values()


def parse_all(texts: Iterable[str]) -> dict[str, Values]:
    """Read several ``name=values``, each name at most once.

    Raises
    ------
    OverrideError
        Where one cannot be read, or a name is given twice.
    """
    overrides: dict[str, Values] = {}
    for text in texts:
        name, values = parse(text)
        if name in overrides:
            raise _error(text, 0, f"{name!r} is given twice: put its values into one, {name}=1,2")
        overrides[name] = values
    return overrides


def _identifier(name: str) -> str:
    """Normalise as Python does (PEP 3131), so that the micro sign finds the parameter μ."""
    if name.isascii():
        return name
    import unicodedata

    return unicodedata.normalize("NFKC", name)


def _error(text: str, column: int, message: str) -> OverrideError:
    shown = "".join(character if character.isprintable() else "�" for character in text)
    return OverrideError(f"{message}\n  {shown}\n  {' ' * column}^")


class _Token(NamedTuple):
    kind: str
    text: str
    column: int


class _Reader:
    """Reads values from left to right, one method for each rule of the grammar."""

    def __init__(self, text: str, start: int) -> None:
        self.text = text
        self.tokens = list(self._split(start))
        self.position = 0

    def _split(self, start: int) -> Iterable[_Token]:
        while True:
            match = _TOKEN.match(self.text, start)
            if match is None:
                raise self._unreadable(start)
            kind = str(match.lastgroup)
            yield _Token(kind, match[kind], match.start(kind))
            if kind == "end":
                return
            start = match.end()

    def _unreadable(self, start: int) -> OverrideError:
        while self.text[start].isspace():
            start += 1
        reasons = {
            "=": "a second '=': give each parameter its own name=values, or quote the text",
            "'": "this quote is not closed",
            '"': "this quote is not closed",
        }
        brackets = "values stand without brackets, name=1,2,3; a tuple is (1,2); or quote the text"
        return _error(self.text, start, reasons.get(self.text[start], brackets))

    def _next(self) -> _Token:
        token = self.tokens[self.position]
        self.position += token.kind != "end"
        return token

    def _skip(self, mark: str) -> bool:
        token = self.tokens[self.position]
        is_there = token.kind == "mark" and token.text == mark
        self.position += is_there
        return is_there

    def _fail(self, token: _Token, message: str) -> OverrideError:
        return _error(self.text, token.column, message)

    def values(self) -> Values:
        items = [self._item()]
        n_values = len(items[0])
        while self._skip(","):
            token = self.tokens[self.position]
            items.append(self._item())
            n_values += len(items[-1])
            if n_values > MAX_VALUES:
                raise self._fail(token, f"more than {MAX_VALUES:,} values")
        end = self._next()
        if end.kind != "end":
            raise self._fail(end, f"expected a comma or the end; {_quote_hint(end)}")
        if len(items) == 1:
            return items[0]
        return tuple(value for item in items for value in _plain(item))

    def _item(self) -> Values:
        name = self.tokens[self.position]
        following = self.tokens[min(self.position + 1, len(self.tokens) - 1)]
        if name.kind == "bare" and following.text == "(" and following.kind == "mark":
            return self._series()
        return (self._value(),)

    def _series(self) -> Values:
        name = self._next()
        if name.text not in SERIES:
            raise self._fail(name, f"no series {name.text!r}; there are {', '.join(SERIES)}")
        self._skip("(")
        arguments: list[int | float] = []
        while not self._skip(")"):
            if arguments and not self._skip(","):
                raise self._fail(self._next(), "expected ',' or ')'")
            token = self._next()
            number = self._word(token) if token.kind == "bare" else None
            if type(number) is not int and not (type(number) is float and math.isfinite(number)):
                raise self._fail(token, f"expected a finite number: {SERIES[name.text]}")
            arguments.append(number)
        try:
            return series(name.text, arguments)
        except (ValueError, OverflowError) as error:
            raise self._fail(name, str(error)) from None

    def _value(self, depth: int = 0) -> object:
        token = self._next()
        if token.kind == "quoted":
            return re.sub(r"\\([\\'\"])", r"\1", token.text[1:-1])
        if token.kind == "bare":
            return self._word(token)
        if token.text == "(" and depth < MAX_DEPTH:
            return self._tuple(token, depth)
        if token.text == "(":
            raise self._fail(token, f"tuples are nested more than {MAX_DEPTH} deep")
        raise self._fail(token, f"expected a value; {ALLOWED}")

    def _tuple(self, opening: _Token, depth: int) -> tuple[object, ...]:
        parts = [self._value(depth + 1)]
        while not self._skip(")"):
            if not self._skip(","):
                raise self._fail(self._next(), "expected ',' or ')' in a tuple of values")
            if self._skip(")"):
                return tuple(parts)
            parts.append(self._value(depth + 1))
        if len(parts) == 1:
            raise self._fail(opening, "a tuple of one value is written (1,), a value without ()")
        return tuple(parts)

    def _word(self, token: _Token) -> Any:
        """Read a word that is not quoted: a constant, date or number if it looks like one."""
        word = token.text
        if word.lower() in _CONSTANTS:
            return _CONSTANTS[word.lower()]
        if _NAN.fullmatch(word):
            raise self._fail(token, "nan is equal to nothing, itself included: it names no point")
        if _INFINITY.fullmatch(word):
            return float(word)
        if not _NUMBER_LIKE.match(word):
            return word
        try:
            return _date(word) if _DATE.match(word) else _number(word)
        except ValueError as error:
            raise self._fail(token, str(error)) from None


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


def _quote_hint(token: _Token) -> str:
    return "text with spaces must be quoted" if token.kind == "bare" else ALLOWED


def _plain(item: Values) -> Iterable[object]:
    return item if isinstance(item, (tuple, range)) else item.tolist()
