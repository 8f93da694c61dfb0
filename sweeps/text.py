"""Times, sizes, counts and tables for people, and JSON for programs."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

_MOST_UNDER_WAY = 3

_DIVERTING = threading.Lock()

_diverted: tuple[Any, ...] = ()
"""The original stdout, once for each thread that diverts it."""


@contextlib.contextmanager
def printed_to_stderr() -> Iterator[None]:
    """Send what is printed to stderr for a while, because it is not an answer.

    Several threads may do this at once and end in any order. With `contextlib.redirect_stdout`,
    stdout could stay stderr for good.
    """
    global _diverted
    with _DIVERTING:
        _diverted = (*_diverted, _diverted[0] if _diverted else sys.stdout)
        sys.stdout = sys.stderr
    try:
        yield
    finally:
        with _DIVERTING:
            before, *others = _diverted
            _diverted = tuple(others)
            sys.stdout = sys.stdout if others else before


def duration(seconds: float) -> str:
    """Write a time for people.

    Examples
    --------
    >>> duration(0.25), duration(75), duration(7260), duration(200000)
    ('0.2 s', '1 min 15 s', '2 h 1 min', '2 d 7 h')
    """
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 24 else f"{hours // 24} d {hours % 24} h"


def left(seconds: float, likely: tuple[float, float] | None = None) -> str:
    """Write how long something still takes, and between which times that likely is.

    Examples
    --------
    >>> left(40.0), left(40.0, (30.0, 75.0))
    ('40.0 s left', '40.0 s left (likely 30.0 s to 1 min 15 s)')
    """
    said = f"{duration(seconds)} left"
    return said if likely is None else f"{said} (likely {' to '.join(map(duration, likely))})"


def brief(seconds: float) -> str:
    """Write a time that may be very short.

    Examples
    --------
    >>> brief(4.21e-5), brief(0.0125), brief(75)
    ('42 µs', '12 ms', '1 min 15 s')
    """
    for unit, factor in (("ns", 1e9), ("µs", 1e6), ("ms", 1e3)):
        number = seconds * factor
        if number < 999.5:
            return f"{number:.0f} {unit}" if number > 9.95 else f"{number:.2g} {unit}"
    return duration(seconds)


def size(n_bytes: float) -> str:
    """Write a number of bytes for people.

    Examples
    --------
    >>> size(512), size(3_500_000), size(999_999)
    ('512 B', '3.5 MB', '1 MB')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if n_bytes < 999.5:
            return f"{n_bytes:.3g} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.3g} TB"


def count(n: int, noun: str) -> str:
    """Write a number with its noun.

    Examples
    --------
    >>> count(1, "point"), count(1200, "point")
    ('1 point', '1,200 points')
    """
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def printable(text: str) -> str:
    r"""Escape control characters, because names and messages may contain any.

    Examples
    --------
    >>> print(printable("\x1b[2J an empty screen"))
    \x1b[2J an empty screen
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else repr(c)[1:-1] for c in text)


def path(given: Path) -> str:
    """Write a path relative to the working directory, if it is inside."""
    here = Path.cwd()
    return str(given.relative_to(here)) if given.is_relative_to(here) else str(given)


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Lay out rows in columns, numbers to the right.

    Examples
    --------
    >>> print(table(["name", "points"], [["ising", 84], ["pendulum", 600]]))
    name      points
    ising         84
    pendulum     600
    """
    cells = [[_cell(value) for value in row] for row in rows]
    header = [_cell(name) for name in header]
    right = [bool(cells) and all(_is_number(row[i]) for row in cells) for i in range(len(header))]
    lines = [list(header), *cells]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    return "\n".join(
        "  ".join(
            text.rjust(width) if is_right else text.ljust(width)
            for text, width, is_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    )


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = f"{value:.6g}" if isinstance(value, float) else _label(value)
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


def _is_number(text: str) -> bool:
    try:
        float(text or "0")
    except ValueError:
        return False
    return True


def as_json(thing: Any, indent: int | None = 2) -> str:
    r"""Write JSON, in ASCII, which every terminal and pipe takes; in one line without `indent`.

    JSON has no NaN and no infinity, so they become null. Other values become their labels.

    Examples
    --------
    >>> print(as_json([1.5, (True, None), 2j, float("nan"), "π"]))
    [
      1.5,
      [
        true,
        null
      ],
      "2j",
      null,
      "\u03c0"
    ]
    """
    return json.dumps(_plain(thing), indent=indent)


def _plain(thing: Any) -> Any:
    if isinstance(thing, Mapping):
        return {str(key): _plain(value) for key, value in thing.items()}
    if isinstance(thing, (list, tuple)):
        return [_plain(item) for item in thing]
    if type(thing) is float:
        return thing if abs(thing) < float("inf") else None
    if thing is None or type(thing) in (bool, int, str):
        return thing
    return str(thing) if isinstance(thing, Path) else _label(thing)


def _label(value: Any) -> Any:
    from sweeps.spaces import values  # imports numpy, which --help does not need

    return values.label(value)


def parameters(params: Mapping[str, Any]) -> str:
    """Write a point's parameters."""
    from sweeps.spaces.values import label

    return ", ".join(f"{name}={label(value)}" for name, value in params.items()) or "the only point"


def under_way(points: Sequence[tuple[str, float, str]]) -> str:
    """Write which points are under way, for how long, and what they say; empty if there are none.

    Examples
    --------
    >>> under_way([("x=3", 12.0, "40 %, step 4 of 10"), ("x=5", 11.0, "")])
    '; under way: x=3 for 12.0 s (40 %, step 4 of 10), x=5 for 11.0 s'
    """
    said = [
        f"{point} for {duration(seconds)}{f' ({line})' if line else ''}"
        for point, seconds, line in points[:_MOST_UNDER_WAY]
    ]
    if len(points) > _MOST_UNDER_WAY:
        said.append(f"and {len(points) - _MOST_UNDER_WAY:,} more")
    return f"; under way: {', '.join(said)}" if said else ""
