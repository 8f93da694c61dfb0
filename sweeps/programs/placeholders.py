"""Texts with ``{parameter}`` in them -> the same with values, at each point."""

from __future__ import annotations

import dataclasses
import functools
import string
from collections.abc import Iterator, Mapping
from typing import Any

from sweeps.errors import DeclarationError, ProgramError

_LONGEST = 60


@dataclasses.dataclass(frozen=True)
class _Hole:
    """A place for a value: of which parameter, and how it is written."""

    name: str
    conversion: str
    form: str

    def filled(self, values: Mapping[str, Any]) -> str:
        value = checked(values[self.name], self.name)
        if self.conversion:
            value = repr(value) if self.conversion == "r" else str(value)
        return format(value, self.form) if self.form else str(value)


def checked(value: Any, name: str = "a value") -> Any:
    """Refuse a value that a text does not say."""
    if getattr(value, "shape", ()):
        raise ProgramError(
            f"{name} is an array, of which a text would not have all digits: write it to a file, "
            "by a function in files={...} that gives text or bytes"
        )
    kind: Any = type(value)
    if callable(value) or (kind.__str__ is object.__str__ and kind.__repr__ is object.__repr__):
        raise ProgramError(
            f"{name} is an object of type {kind.__name__}, which is no text: give numbers and "
            "texts, or write the file by a function in files={...}"
        )
    return value


Parts = tuple[str | _Hole, ...]


@functools.lru_cache(maxsize=1024)
def parse(text: str) -> Parts:
    """Take a text apart at its placeholders.

    Examples
    --------
    >>> fill("--tol={tolerance} {{x}} {n:04d}", {"tolerance": 1e-6, "n": 7})
    '--tol=1e-06 {x} 0007'
    """
    parts: list[str | _Hole] = []
    try:
        for literal, name, form, conversion in string.Formatter().parse(text):
            if literal:
                parts.append(literal)
            if name is not None:
                parts.append(_hole(name, form or "", conversion or "", text))
    except ValueError as error:
        raise DeclarationError(
            f"{_short(text)}: {error}. {{name}} stands for the value of a parameter, and a brace "
            "of the text itself is written twice: {{ and }}"
        ) from None
    return tuple(parts)


def _hole(name: str, form: str, conversion: str, text: str) -> _Hole:
    if not name.isidentifier() or "{" in form or conversion not in ("", "r", "s"):
        raise DeclarationError(
            f"{_short(text)}: {{{name}}} is no name of a parameter. {{name}} stands for its value, "
            "{name:.3f} for the value in a format of Python, and a brace of the text itself is "
            "written twice: {{ and }}"
        )
    return _Hole(name, conversion, form)


def names(text: str) -> Iterator[str]:
    """Yield the parameters that a text has places for."""
    yield from (part.name for part in parse(text) if isinstance(part, _Hole))


def fill(text: str, values: Mapping[str, Any]) -> str:
    """Write values into a text."""
    return "".join([p if isinstance(p, str) else p.filled(values) for p in parse(text)])


def pattern(text: str) -> str:
    """Write ``*`` for each value: what a text may become."""
    return "".join(part if isinstance(part, str) else "*" for part in parse(text))


def _short(text: str) -> str:
    return repr(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...")
