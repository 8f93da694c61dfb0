"""How values are written in a report: short, and as text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sweeps.spaces import values

NOTHING = "–"

_LONGEST = 120


def shown(value: Any, units: str = "") -> str:
    """Write one value, with its units unless they are those of a plain number.

    Examples
    --------
    >>> shown(0.30000000000000004, "m"), shown(3, "1"), shown(""), shown(None)
    ('0.3 m', '3', '""', '–')
    """
    if value is None or value != value:
        return NOTHING
    text = f"{value:.6g}" if isinstance(value, float) else str(values.label(value))
    return cut(with_units(text or '""', units))


def with_units(text: str, units: str) -> str:
    """Append units, unless there are none."""
    return f"{text} {units}" if units not in ("", "1") else text


def cut(text: str, longest: int = _LONGEST) -> str:
    """Shorten a text for a cell of a table.

    Examples
    --------
    >>> cut("abcdefgh", 5)
    'abcd…'
    """
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def share(part: int, whole: int) -> str:
    """Write a part of a whole in per cent; what is neither nothing nor all never looks so.

    Examples
    --------
    >>> share(1, 3), share(1, 10_000), share(9_999, 10_000), share(0, 5), share(0, 0)
    ('33 %', '< 1 %', '> 99 %', '0 %', '0 %')
    """
    if not part:
        return "0 %"
    per_cent = 100 * part / whole
    if per_cent < 1:
        return "< 1 %"
    return "> 99 %" if 99 < per_cent < 100 else f"{per_cent:.0f} %"


def listed(texts: Iterable[str]) -> str:
    """Join texts by commas."""
    return ", ".join(texts)
