"""Labels and other words in pictures, as plain text: no name or value is taken for mathematics."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from sweeps.text import printable

if TYPE_CHECKING:
    import xarray

_LONGEST = 40


def plain(text: Any, longest: int = _LONGEST) -> str:
    r"""Make a text safe for matplotlib, which reads ``$…$`` as mathematics; cut its middle.

    Examples
    --------
    >>> plain("cost in $"), plain("a" * 50, 9)
    ('cost in \\$', 'aaaa…aaaa')
    """
    return shortened(text, longest).replace("$", r"\$")


def shortened(text: Any, longest: int = _LONGEST) -> str:
    r"""Make a text printable, on one line, and cut its middle if it is long.

    Examples
    --------
    >>> shortened("two\nlines"), shortened("a" * 50, 9)
    ('two lines', 'aaaa…aaaa')
    """
    shown = " ".join(printable(str(text)).split())
    if len(shown) <= longest:
        return shown
    half = (longest - 1) // 2
    return f"{shown[:half]}…{shown[-half:]}"


def title(variable: xarray.DataArray, name: str = "") -> str:
    """Name a variable for people: its `long_name`, or its name."""
    return str(variable.attrs.get("long_name") or name or variable.name)


def units(variable: xarray.DataArray) -> str:
    """Units of a variable; empty for none and for "1"."""
    given = str(variable.attrs.get("units", ""))
    return "" if given == "1" else given


def label(variable: xarray.DataArray, part: str = "") -> str:
    """Label of an axis: name and units."""
    text, unit = title(variable), units(variable)
    if part:
        text, unit = f"{part} of {text}", "rad" if part == "phase" else unit
    return f"{text} ({unit})" if unit else text


def listed(names: Iterable[Any]) -> str:
    """Join names."""
    return ", ".join(map(str, names))


def number(value: Any) -> str:
    """Write a number in few digits.

    Examples
    --------
    >>> number(0.30000000000000004), number(np.int64(12345678)), number(2.5e-9)
    ('0.3', '12,345,678', '2.5e-09')
    """
    if isinstance(value, int | np.integer) or (float(value).is_integer() and abs(value) < 1e6):
        return f"{int(value):,}" if abs(value) >= 10_000 else str(int(value))
    return f"{value:.4g}"


def value_text(variable: xarray.DataArray, position: int | None = None) -> str:
    """Write one value of a variable, with its units."""
    return with_units(variable.values[() if position is None else position], variable)


def with_units(value: Any, variable: xarray.DataArray) -> str:
    """Write a value in the units of a variable."""
    kind, unit = getattr(value, "dtype", np.dtype(object)).kind, units(variable)
    if kind in "iuf":
        return f"{number(value)} {unit}".strip()
    if kind == "b":
        return str(bool(value)).lower()
    if kind == "c":
        return f"{value:.4g} {unit}".strip()
    if kind == "M":
        return str(np.datetime_as_string(value, unit="auto"))
    if kind == "m":
        return f"{number(value / np.timedelta64(1, 's'))} s"
    return shortened(value)
