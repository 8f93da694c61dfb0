"""From values of any kind to positions along an axis, with ticks that say what stands there."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sweeps.plots.content import kind
from sweeps.plots.words import label, number, plain, title

if TYPE_CHECKING:
    import xarray

Numbers = npt.NDArray[Any]

_FEW_TICKS = 8

_COMMON = 12


@dataclasses.dataclass(frozen=True, eq=False)
class Scale:
    """Positions along an axis.

    Attributes
    ----------
    positions : numpy.ndarray
        Floats, or datetime64 for dates.
    ticks : tuple of (float, str)
        Where categories stand; empty for numbers, whose ticks matplotlib finds.
    label : str
        Name and units.
    is_log : bool
        Whether it is logarithmic.
    is_whole : bool
        Whether its numbers are integers.
    """

    positions: Numbers
    ticks: tuple[tuple[float, str], ...]
    label: str
    is_log: bool = False
    is_whole: bool = False

    @property
    def is_named(self) -> bool:
        """Whether it has categories instead of numbers."""
        return bool(self.ticks) and not self.is_log


def of_axis(axis: xarray.DataArray, log: tuple[str, ...] = ()) -> Scale:
    """Lay out the values of a parameter or dimension; geometric ones on a logarithmic axis."""
    scale = of_values(axis, log)
    values = scale.positions
    if kind(axis) != "number" or not (scale.is_log or is_geometric(values)):
        return scale
    ticks: tuple[tuple[float, str], ...] = ()
    if len(values) <= _FEW_TICKS:
        ticks = tuple((float(value), number(value)) for value in values)
    return dataclasses.replace(scale, is_log=True, ticks=ticks)


def of_values(values: xarray.DataArray, log: tuple[str, ...] = (), part: str = "") -> Scale:
    """Lay out values of a kind that has an order, or of categories."""
    what, name = kind(values), label(values, part)
    if what == "text":
        return _of_texts(values, name)
    if what == "boolean":
        ticks = ((0.0, "false"), (1.0, "true"))
        return Scale(values.values.astype(float), ticks, name)
    if what == "complex":
        taken = np.abs if part == "magnitude" else np.angle
        return Scale(np.where(np.isnan(values), np.nan, taken(values.values)), (), name)
    if what == "duration":
        seconds = values.values / np.timedelta64(1, "s")
        return Scale(seconds, (), f"{title(values)} (s)")
    if what == "date":
        return Scale(_dates(values.values), (), name)
    is_whole = np.dtype(values.encoding.get("dtype", values.dtype)).kind in "iu"
    is_whole = is_whole or values.dtype.kind in "iu"
    numbers = values.values.astype(float)
    return Scale(numbers, (), name, is_log=str(values.name) in log, is_whole=is_whole)


def _of_texts(values: xarray.DataArray, name: str) -> Scale:
    """Categories, in the order in which they come; a long common beginning goes to the label."""
    flat = [None if one != one or one is None else str(one) for one in values.values.flat]
    texts = list(dict.fromkeys(one for one in flat if one is not None))
    number_of = {text: float(i) for i, text in enumerate(texts)}
    positions = np.array([np.nan if one is None else number_of[one] for one in flat])
    common = common_start(texts)
    if common:
        name = f"{name}: {plain(common)}…"
    ticks = tuple((float(i), plain(text[len(common) :])) for i, text in enumerate(texts))
    return Scale(positions.reshape(values.shape), ticks, name)


def common_start(texts: list[str]) -> str:
    """Find a long beginning that all texts share, up to a separator; empty if there is none.

    Examples
    --------
    >>> common_start(["https://a.org/lib/heapq", "https://a.org/lib/random"])
    'https://a.org/lib/'
    >>> common_start(["euler", "euclid"])
    ''
    """
    if len(texts) < 2:
        return ""
    low, high = min(texts), max(texts)
    n = next((i for i, c in enumerate(low) if i >= len(high) or high[i] != c), len(low))
    end = max((low[:n].rfind(mark) for mark in "/\\ _-.:"), default=-1) + 1
    return low[:end] if end >= _COMMON else ""


def _dates(values: Numbers) -> Numbers:
    """Dates for matplotlib; those of other calendars as the nearest of numpy's."""
    if values.dtype.kind == "M":
        return values.astype("datetime64[us]")
    made = [
        np.datetime64("NaT") if one != one else np.datetime64(f"{one.isoformat()}")
        for one in values.flat
    ]
    return np.array(made, "datetime64[us]").reshape(values.shape)


def of_sample(axis: xarray.DataArray, log: tuple[str, ...] = ()) -> Scale:
    """Lay out the values of a parameter of a sample; on a logarithmic axis if spread over one."""
    scale = of_values(axis, log)
    if kind(axis) != "number" or not is_spread_geometrically(scale.positions):
        return scale
    return dataclasses.replace(scale, is_log=True)


def is_spread_geometrically(values: Numbers) -> bool:
    """Whether drawn numbers fill a logarithmic axis evenly: half of them lie below its middle.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> is_spread_geometrically(10 ** rng.uniform(-3, 3, 500))
    True
    >>> is_spread_geometrically(rng.uniform(0, 1, 500))
    False
    """
    present = values[np.isfinite(values)]
    if len(present) < 3 or present.min() <= 0 or present.max() < 100 * present.min():
        return False
    low, middle, high = np.log(np.quantile(present, [0, 0.5, 1]))
    return bool(0.3 < (middle - low) / (high - low) < 0.7)


def is_geometric(values: Numbers) -> bool:
    """Whether numbers are spaced evenly on a logarithmic axis and not on a plain one.

    Examples
    --------
    >>> is_geometric(np.logspace(-3, 1, 9)), is_geometric(np.array([1, 2, 5, 10, 20, 50, 100]))
    (True, True)
    >>> is_geometric(np.linspace(1, 10, 10)), is_geometric(np.array([0.0, 1.0, 10.0]))
    (False, False)
    """
    ordered = np.unique(np.asarray(values, dtype=float))
    if len(ordered) < 3 or ordered[0] <= 0 or not np.isfinite(ordered).all():
        return False
    steps, span = np.diff(np.log(ordered)), ordered[-1] / ordered[0]
    even = float(steps.max() / steps.min())
    return bool((even < 1.01 and span >= 4) or (even < 2 and span >= 50))
