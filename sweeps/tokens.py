"""Tokens: text of the command line cut into words, marks and quotations, and read one by one.

What cannot be read is shown with a caret under its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from sweeps.errors import OverrideError

QUOTED = r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\""""
"""Pattern of quoted text; a backslash stands before quotes and backslashes of the text."""


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
        return f"{character!r} means nothing here; text with it must be quoted"

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
