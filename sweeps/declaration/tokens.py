"""Tokens: text of the command line cut into words, marks and quotations, and read one by one.

What cannot be read is shown with a caret under its place.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from sweeps.errors import OverrideError

QUOTED = r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\""""
"""Pattern of quoted text; a backslash stands before quotes and backslashes of the text."""

_INFINITY = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)

_NAN = re.compile(r"[+-]?nan", re.IGNORECASE)

_NUMBER_LIKE = re.compile(r"[+\-−]?\.?[0-9]")

_LEADING_ZERO = re.compile(r"[+-]?0[0_]*[1-9]")

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

_DATETIME = re.compile(
    _DATE.pattern + r"T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})?"
)

_CONSTANTS = {"true": True, "false": False, "none": None}


class Token(NamedTuple):
    """A piece of a text: its `kind` is "quoted", "mark", "bare" or "end"."""

    kind: str
    text: str
    column: int

    def is_mark(self, mark: str) -> bool:
        """Whether it is this mark, and not the same text in quotes."""
        return self.kind == "mark" and self.text == mark


class Reader:
    """Goes over the tokens of a text from left to right; a grammar adds a method for each rule.

    Attributes
    ----------
    marks, bare : str
        Patterns of marks, and of words that are not quoted.
    """

    marks: str
    bare: str

    def __init__(self, text: str, start: int = 0) -> None:
        self.text = text
        self.tokens = list(self._split(start))
        self.position = 0

    def _split(self, start: int) -> Iterator[Token]:
        kinds = rf"(?P<quoted>{QUOTED})|(?P<mark>{self.marks})|(?P<bare>{self.bare})|(?P<end>\Z)"
        pattern = re.compile(rf"\s*(?:{kinds})", re.DOTALL)
        while True:
            match = pattern.match(self.text, start)
            if match is None:
                raise self._unreadable(start)
            kind = str(match.lastgroup)
            yield Token(kind, match[kind], match.start(kind))
            if kind == "end":
                return
            start = match.end()

    def _unreadable(self, start: int) -> OverrideError:
        while self.text[start].isspace():
            start += 1
        is_quote = self.text[start] in "'\""
        reason = "this quote is not closed" if is_quote else self.why_unreadable(self.text[start])
        return mistake(self.text, start, reason)

    def why_unreadable(self, character: str) -> str:
        """Say what to write instead of a character that no token begins with."""
        return f"{character!r} is not expected here; quote text that contains it"

    def peek(self, ahead: int = 0) -> Token:
        """Look at the next token, or at one behind it."""
        return self.tokens[min(self.position + ahead, len(self.tokens) - 1)]

    def next(self) -> Token:
        """Take the next token; the end is never passed."""
        token = self.tokens[self.position]
        self.position += token.kind != "end"
        return token

    def skip(self, mark: str) -> bool:
        """Take the next token if it is this mark."""
        is_there = self.peek().is_mark(mark)
        self.position += is_there
        return is_there

    def fail(self, token: Token, message: str) -> OverrideError:
        """Make the error that shows a token."""
        return mistake(self.text, token.column, message)


def mistake(text: str, column: int, message: str) -> OverrideError:
    """Make the error that shows a place in a text.

    Examples
    --------
    >>> print(mistake("x=1,nan", 4, "nan names no point"))
    nan names no point
      x=1,nan
          ^
    """
    shown = "".join(character if character.isprintable() else "�" for character in text)
    return OverrideError(f"{message}\n  {shown}\n  {' ' * column}^")


def unquote(quoted: str) -> str:
    r"""Take text out of its quotes.

    Examples
    --------
    >>> unquote(r"'it\'s'")
    "it's"
    """
    return re.sub(r"\\([\\'\"])", r"\1", quoted[1:-1])


def identifier(name: str) -> str:
    """Normalise as Python does (PEP 3131), so that the micro sign finds the parameter μ."""
    if name.isascii():
        return name
    import unicodedata

    return unicodedata.normalize("NFKC", name)


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
    """Read a word as a value if `is_value`; any other word is text.

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
        raise ValueError("nan equals nothing, not even itself, so it cannot identify a point")
    if _INFINITY.fullmatch(word):
        return float(word)
    if not _NUMBER_LIKE.match(word):
        return word
    return _date(word) if _DATE.match(word) else _number(word)


def finite(word: str) -> int | float:
    """Read a finite real number; anything else is a `ValueError`."""
    number = value(word)
    if type(number) is int or (type(number) is float and math.isfinite(number)):
        return number
    raise ValueError(f"{word} is not a finite number")


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
        raise ValueError(f"a number has no leading zeros; quote it if it is text, '{word}'")
    readers: tuple[Callable[[str], int | float | complex], ...] = (_integer, float, complex)
    for reader in readers:
        try:
            number = reader(word)
        except ValueError:
            continue
        if isinstance(number, int) or (math.isfinite(number.real) and math.isfinite(number.imag)):
            return number
        raise ValueError("not a finite number; infinity is written inf")
    raise ValueError(f"this is not a number; a range is 0.1:0.9; quote it if it is text, '{word}'")


def _integer(word: str) -> int:
    return int(word, 0)
