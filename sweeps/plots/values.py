"""The values that a chart shows: cut, picked and averaged, with their bands and missing points."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from sweeps.plots.chart import Chart
from sweeps.plots.content import DONE, EXCLUDED, FAILED, MISSING, Content, kind
from sweeps.plots.words import title, with_units

if TYPE_CHECKING:
    import xarray

NAMES = {FAILED: "failed", MISSING: "missing", EXCLUDED: "excluded", DONE: "done, but no number"}
"""States of a point that has no value to draw, the most important first."""

_CONFIDENCE = 0.95


@dataclasses.dataclass(frozen=True, eq=False)
class Band:
    """How far a mean may be off, or how much values spread: two curves and what they are."""

    low: xarray.DataArray
    high: xarray.DataArray
    text: str


def shown(content: Content, chart: Chart, name: str | None = None) -> xarray.DataArray:
    """Values of a variable, cut and picked as the chart says, but not averaged."""
    variable = content.dataset[name or chart.output]
    return _cut(variable, chart)


def _cut(variable: xarray.DataArray, chart: Chart) -> xarray.DataArray:
    at: dict[Any, Any] = {dim: i for dim, i in chart.slices if dim in variable.dims}
    at |= {dim: list(i) for dim, i in chart.picked if dim in variable.dims}
    return variable.isel(at) if at else variable


def single(content: Content, chart: Chart) -> list[tuple[str, str]]:
    """Names and texts of outputs that have one value each."""
    found = []
    for name in chart.across:
        variable = shown(content, chart, name)
        one = variable.values.reshape(-1)[0]
        text = "none" if bool(variable.isnull().all()) else with_units(one, variable)
        if kind(variable) == "boolean" and text != "none":
            text = "true" if one else "false"
        found.append((title(variable), text))
    return found


def averaged(array: xarray.DataArray, dim: str | None) -> xarray.DataArray:
    """Average over a dimension, if there is one; a mean of booleans is a share of them."""
    if dim is None or dim not in array.dims:
        return array
    numbers = array if array.dtype.kind == "c" else array.astype(float)
    with np.errstate(invalid="ignore"):
        mean = numbers.mean(dim, skipna=True, keep_attrs=True)
    if kind(array) == "boolean":
        mean.attrs["long_name"] = f"share with {array.attrs.get('long_name', array.name)}"
    mean.encoding = {}
    return mean.rename(array.name)


def band(content: Content, chart: Chart) -> Band | None:
    """Find the band of a mean: confidence of the mean, or what the results hold beside it."""
    array = shown(content, chart)
    if chart.quantile is not None:
        levels = shown(content, chart, chart.quantile)
        q = levels["quantile"].values
        if len(q) > 1:
            text = f"band: quantiles {q.min():g} to {q.max():g}"
            low, high = (levels.isel(quantile=int(i)) for i in (q.argmin(), q.argmax()))
            return Band(low, high, text)
    if chart.error is not None:
        error = shown(content, chart, chart.error)
        return Band(array - 2 * error, array + 2 * error, "band: ± 2 standard errors")
    if chart.mean_over is None or array.dtype.kind == "c":
        return None
    return confidence(array, chart.mean_over)


def confidence(array: xarray.DataArray, dim: str) -> Band | None:
    """Confidence interval of a mean; of a share of booleans that of Wilson (1927).

    Of numbers it is Student's, from the standard error and n - 1 degrees of freedom.
    """
    from scipy import stats

    numbers = array.astype(float)
    n = numbers.notnull().sum(dim)
    most = int(n.max())
    if most < 2:
        return None
    mean = numbers.mean(dim, skipna=True)
    if kind(array) == "boolean":
        z = float(stats.norm.ppf((1 + _CONFIDENCE) / 2))
        middle = (mean + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z / (1 + z**2 / n) * np.sqrt(mean * (1 - mean) / n + z**2 / (4 * n**2))
        low, high = middle - half, middle + half
    else:
        with np.errstate(invalid="ignore"):
            error = numbers.std(dim, ddof=1, skipna=True) / np.sqrt(n)
        factor = stats.t.ppf((1 + _CONFIDENCE) / 2, np.maximum(n.values - 1, 1))
        half = (error * factor).where(n > 1)
        low, high = mean - half, mean + half
    text = f"band: {100 * _CONFIDENCE:.0f} % confidence of the mean"
    return Band(low, high, text)


def states(content: Content, chart: Chart) -> dict[int, xarray.DataArray]:
    """Where points have no value to draw, by their state; only states that occur.

    Averaged points are there if one replicate is.
    """
    array = shown(content, chart)
    mean = averaged(array, chart.mean_over)
    is_absent = _is_absent(mean)
    own = [dim for dim in array.dims if dim not in content.space_dims]
    is_absent = is_absent.all(own)
    if content.status is None:
        found = {DONE: is_absent}
    else:
        status = _cut(content.status, chart)
        if chart.mean_over in status.dims:
            kept = status.dims.index(chart.mean_over)
            status = status.isel({chart.mean_over: 0}).copy(data=_worst(status.values, kept))
        found = {state: is_absent & (status == state) for state in NAMES}
    return {state: where for state, where in found.items() if bool(where.any())}


def _worst(status: Any, axis: int) -> Any:
    """State of an average that has no value: failed if one replicate failed, and so on."""
    result: Any = np.full(np.delete(status.shape, axis), DONE)
    for state in (EXCLUDED, MISSING, FAILED):
        result = np.where((status == state).any(axis=axis), state, result)
    return result


def _is_absent(array: xarray.DataArray) -> xarray.DataArray:
    if array.dtype.kind in "fc":
        return array.copy(data=~np.isfinite(array.values))
    return array.isnull()
