"""Overrides: the ``name=values`` of the command line, read by a small grammar and never evaluated.

::

    override = name "=" item {"," item} | name "=" interval | name "=" choice | "sample=" draw
    item     = series | value
    series   = ("linspace" | "logspace" | "geomspace" | "range" | "arange") "(" numbers ")"
    value    = number | true | false | none | date | "quoted" | 'quoted' | word | tuple
    tuple    = "(" value "," ")" | "(" value "," value {"," value} [","] ")"
    interval = number ":" number
    choice   = "choice(" item {"," item} ")"
    draw     = ("sobol" | "halton" | "latin_hypercube" | "uniform" | "saltelli")
               "(" integer ["," "seed=" integer] ")"
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeAlias

from sweeps.declaration import tokens
from sweeps.declaration.override_values import (
    MAX_VALUES,
    METHODS,
    SERIES,
    Choice,
    Draw,
    Interval,
    series,
)
from sweeps.declaration.tokens import Reader, Token, identifier, mistake, unquote
from sweeps.errors import OverrideError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Values: TypeAlias = tuple[object, ...] | range | npt.NDArray[np.float64]
    Given: TypeAlias = Values | Interval | Choice | Draw


MAX_DEPTH = 8

ALLOWED = (
    "allowed are numbers, true, false, none, dates (2024-01-31, 2024-01-31T12:00), words, "
    f"'quoted text', tuples (1,2), {', '.join(SERIES)}, ranges 0.1:2 and choice(a,b)"
)

_SAMPLE = "sample"

_CHOICE = "choice"


def parse(text: str) -> tuple[str, Given]:
    """Read one ``name=values``.

    Returns
    -------
    name : str
        The parameter, or "sample".
    values : tuple, range, numpy.ndarray, Interval, Choice or Draw
        A single linspace, logspace, geomspace or arange is the array that numpy makes of it,
        bit for bit; a single series of whole numbers is a range; several values are a tuple.

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
    >>> parse("length=0.1:2")
    ('length', Interval(low=0.1, high=2))
    >>> parse("sample=sobol(1024, seed=3)")
    ('sample', Draw(method='sobol', n=1024, seed=3))
    >>> parse("day=2024-02-30")
    Traceback (most recent call last):
    sweeps.errors.OverrideError: no such date: day is out of range for month
      day=2024-02-30
          ^
    """
    name, equals, _ = text.partition("=")
    if not equals:
        raise mistake(text, len(text), "no '=': write name=values, such as length=0.1,0.5")
    name = identifier(name.strip())
    if not name.isidentifier():
        raise mistake(text, 0, "a parameter's name is letters, digits and _, as in Python")
    return name, _Reader(text, start=text.index("=") + 1).given(name)


def parse_all(texts: Iterable[str]) -> dict[str, Given]:
    """Read several ``name=values``, each name at most once."""
    overrides: dict[str, Given] = {}
    for text in texts:
        name, values = parse(text)
        if name in overrides:
            raise mistake(text, 0, f"{name!r} is given twice: put its values into one, {name}=1,2")
        overrides[name] = values
    return overrides


class _Reader(Reader):
    """Reads values from left to right, one method for each rule of the grammar."""

    marks = r"[(),=]"
    bare = r"""[^\s,()'"=\[\]{}]+"""

    def why_unreadable(self, character: str) -> str:
        return (
            "write values without brackets, name=1,2,3; a tuple is (1,2); quote text with brackets"
        )

    def given(self, name: str) -> Given:
        """Read everything behind ``name=``."""
        values: Given
        if name == _SAMPLE and self._is_call() and self.peek().text in METHODS:
            values = self._draw()
        elif self._is_call() and self.peek().text == _CHOICE:
            values = self._choice()
        elif self.peek().kind == "bare" and tokens.is_interval(self.peek().text):
            values = self._interval()
        else:
            values = self._values()
        end = self.next()
        if end.kind == "end":
            return values
        if end.is_mark(",") and not isinstance(values, (tuple, range)):
            raise self.fail(
                end,
                (
                    "expected the end: a range, choice(...) or sample= cannot be combined with "
                    "other values"
                ),
            )
        raise self._unexpected(end, "expected a comma or the end")

    def _is_call(self) -> bool:
        return self.peek().kind == "bare" and self.peek(1).is_mark("(")

    def _unexpected(self, token: Token, expected: str) -> OverrideError:
        if token.is_mark("="):
            hint = "a second '=': give each parameter its own name=values, or quote the text"
            return self.fail(token, hint)
        if token.text.startswith(":"):
            return self.fail(token, f"{expected}; a range is written without spaces, 0.1:2")
        is_text = token.kind == "bare"
        hint = "text with spaces must be quoted" if is_text else ALLOWED
        return self.fail(token, f"{expected}; {hint}")

    def _values(self) -> Values:
        items = [self._item()]
        n_values = len(items[0])
        while self.skip(","):
            token = self.peek()
            items.append(self._item())
            n_values += len(items[-1])
            if n_values > MAX_VALUES:
                raise self.fail(token, f"more than {MAX_VALUES:,} values")
        if len(items) == 1:
            return items[0]
        return tuple(value for item in items for value in _plain(item))

    def _item(self) -> Values:
        return self._series() if self._is_call() else (self._value(),)

    def _series(self) -> Values:
        name = self.next()
        if name.text in METHODS:
            written = f"'{_SAMPLE}={name.text}(1024)'"
            raise self.fail(name, f"{name.text} says how to sample: write {written}")
        if name.text == _CHOICE:
            raise self.fail(
                name, "choice(...) cannot be combined with other values: put all values into it"
            )
        if name.text not in SERIES:
            there = f"{', '.join([*SERIES, _CHOICE])}, and for {_SAMPLE}= {', '.join(METHODS)}"
            raise self.fail(name, f"no series {name.text!r}; there are {there}")
        self.skip("(")
        arguments: list[int | float] = []
        while not self.skip(")"):
            if arguments and not self.skip(","):
                raise self._unexpected(self.next(), "expected ',' or ')'")
            arguments.append(self._number(f"expected a finite number: {SERIES[name.text]}"))
        try:
            return series(name.text, arguments)
        except (ValueError, OverflowError) as error:
            raise self.fail(name, str(error)) from None

    def _number(self, expected: str) -> int | float:
        token = self.next()
        if token.kind == "bare":
            with contextlib.suppress(ValueError):
                return tokens.finite(token.text)
        raise self.fail(token, expected)

    def _interval(self) -> Interval:
        token = self.next()
        low, _, high = token.text.partition(":")
        try:
            interval = Interval(tokens.finite(low), tokens.finite(high))
            width = float(interval.high) - float(interval.low)
        except (ValueError, OverflowError):
            width = math.inf
        if not math.isfinite(width):
            raise self.fail(token, "a range is low:high, two finite numbers; quote text")
        if interval.low >= interval.high:
            raise self.fail(token, f"the range {interval} is empty: write low:high")
        return interval

    def _choice(self) -> Choice:
        self.next()
        self.skip("(")
        values = self._values()
        closing = self.next()
        if not closing.is_mark(")"):
            raise self._unexpected(closing, "expected ',' or ')'")
        return Choice(tuple(_plain(values)))

    def _draw(self) -> Draw:
        method = self.next()
        written = f"write {method.text}(number of points) or {method.text}(1024, seed=3)"
        self.skip("(")
        n, seed = self._whole(1, written), None
        if self.skip(","):
            keyword, equals = self.next(), self.next()
            if keyword.text != "seed" or not equals.is_mark("="):
                raise self.fail(keyword, written)
            seed = self._whole(0, written)
        closing = self.next()
        if not closing.is_mark(")"):
            raise self.fail(closing, f"expected ')': {written}")
        return Draw(method.text, n, seed)

    def _whole(self, least: int, written: str) -> int:
        token = self.peek()
        expected = f"expected a whole number from {least} on: {written}"
        number = self._number(expected)
        if isinstance(number, int) and number >= least:
            return number
        raise self.fail(token, expected)

    def _value(self, depth: int = 0) -> object:
        token = self.next()
        if token.kind == "quoted":
            return unquote(token.text)
        if token.kind == "bare":
            return self._word(token)
        if token.is_mark("(") and depth < MAX_DEPTH:
            return self._tuple(token, depth)
        if token.is_mark("("):
            raise self.fail(token, f"tuples are nested more than {MAX_DEPTH} deep")
        raise self._unexpected(token, "expected a value")

    def _tuple(self, opening: Token, depth: int) -> tuple[object, ...]:
        parts = [self._value(depth + 1)]
        while not self.skip(")"):
            if not self.skip(","):
                raise self._unexpected(self.next(), "expected ',' or ')' in a tuple of values")
            if self.skip(")"):
                return tuple(parts)
            parts.append(self._value(depth + 1))
        if len(parts) == 1:
            raise self.fail(
                opening, "write a tuple of one value as (1,), and a value without brackets"
            )
        return tuple(parts)

    def _word(self, token: Token) -> object:
        if tokens.is_interval(token.text):
            raise self.fail(
                token, "a range cannot be combined with other values, x=0.1:2; quote text"
            )
        try:
            return tokens.value(token.text)
        except ValueError as error:
            raise self.fail(token, str(error)) from None


def _plain(item: Values) -> Iterable[object]:
    return item if isinstance(item, (tuple, range)) else item.tolist()
