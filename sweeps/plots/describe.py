"""Words for a chart: its title, its caption, and what is to be seen for those who cannot see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sweeps.plots import scales, values
from sweeps.plots.chart import HISTOGRAM, LINES, MAP, NUMBERS, POINTS, Chart
from sweeps.plots.content import DONE, EXCLUDED, FAILED, MISSING, Content, kind
from sweeps.plots.words import listed, title, value_text, with_units
from sweeps.text import count

if TYPE_CHECKING:
    import xarray

_FORMS = {LINES: "Line plot", MAP: "Heat map", POINTS: "Scatter plot", HISTOGRAM: "Histogram"}


_BECAME = {
    FAILED: "failed",
    MISSING: "not computed yet",
    EXCLUDED: "excluded",
    DONE: "done without a number",
}


class Words(NamedTuple):
    """Texts that belong to a picture."""

    title: str
    caption: str
    alt: str


def words(content: Content, chart: Chart) -> Words:
    """Describe a chart."""
    if chart.form == NUMBERS:
        return _words_of_numbers(content, chart)
    output = content.dataset[chart.output]
    what = f"{chart.part} of {title(output)}" if chart.part else title(output)
    over = [title(content.dataset[name]) for name in _axes(chart)]
    head = f"{what} over {_and(over)}" if over else what
    if content.is_summary:
        head += " (summary)"
    return Words(head, _caption(content, chart), _alt(content, chart, head))


def _words_of_numbers(content: Content, chart: Chart) -> Words:
    said = [f"{name} = {text}" for name, text in values.single(content, chart)]
    head = "summary" if content.is_summary else "values"
    return Words(head, _caption(content, chart), f"List of numbers: {listed(said)}.")


def notes(content: Content, chart: Chart) -> tuple[str, ...]:
    """What a reader must know of a chart: where it is cut, what is averaged, what is left out."""
    found = list(chart.notes)
    if chart.mean_over:
        n = content.dataset.sizes[chart.mean_over]
        found.append(f"mean of {n:,} {chart.mean_over}s")
    if chart.form in (LINES, HISTOGRAM) and (band := values.band(content, chart)) is not None:
        found.append(band.text)
    return tuple(found)


def _axes(chart: Chart) -> list[str]:
    names = [chart.x, chart.y, *chart.across, chart.hue, chart.row, chart.col]
    return [name for name in names if name]


def _and(names: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _caption(content: Content, chart: Chart) -> str:
    said = list(notes(content, chart))
    absent = values.states(content, chart)
    said += [f"{int(where.sum()):,} {values.NAMES[state]}" for state, where in absent.items()]
    if constants := _constants(content):
        said.append(f"constant: {constants}")
    text = "; ".join(said)
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _constants(content: Content) -> str:
    scalars = {n: v for n, v in content.dataset.coords.items() if not v.dims}
    return listed(f"{name} = {value_text(variable)}" for name, variable in scalars.items())


def _alt(content: Content, chart: Chart, head: str) -> str:
    """Say the form, the axes with their ranges, and where the values are lowest and highest."""
    parts = [f"{_FORMS[chart.form]}: {head}."]
    parts += [_range_of_axis(content.dataset[name]) for name in dict.fromkeys(_axes(chart))]
    mean = values.averaged(values.shown(content, chart), chart.mean_over)
    parts.append(_extremes(mean, chart))
    for state, where in values.states(content, chart).items():
        parts.append(f"{count(int(where.sum()), 'point')} {_BECAME[state]}.")
    return " ".join(filter(None, parts))


def _range_of_axis(axis: xarray.DataArray) -> str:
    n = len(np.unique(axis.values)) if axis.dtype.kind != "O" else axis.size
    if kind(axis) in ("number", "date", "duration") and axis.size:
        present = axis.values[~axis.isnull().values]
        if present.size and present.dtype.kind != "O":
            low, high = (with_units(edge, axis) for edge in (present.min(), present.max()))
            return f"{title(axis)} goes from {low} to {high} ({n:,} values)."
    return f"{title(axis)} has {n:,} values."


def _extremes(array: xarray.DataArray, chart: Chart) -> str:
    """Say where the values are lowest and highest."""
    scale = scales.of_values(array, (), chart.part)
    if scale.ticks or not array.size:
        return ""
    numbers = scale.positions
    is_there = ~np.isnat(numbers) if numbers.dtype.kind == "M" else np.isfinite(numbers)
    if not is_there.any():
        return "No point has a value."
    order = numbers.astype("M8[us]").astype(float) if numbers.dtype.kind == "M" else numbers
    said = []
    for word, at in (
        ("lowest", np.where(is_there, order, np.inf).argmin()),
        ("highest", np.where(is_there, order, -np.inf).argmax()),
    ):
        index = dict(zip(array.dims, np.unravel_index(at, array.shape), strict=True))
        point = array.isel({dim: int(i) for dim, i in index.items()})
        where = [f"{n} = {value_text(c)}" for n, c in point.coords.items() if _varies(array, n)]
        value = with_units(np.asarray(numbers.flat[at])[()], array)
        said.append(f"the {word} is {value}" + (f" at {listed(where)}" if where else ""))
    text = ", ".join(said)
    return f"{text[0].upper()}{text[1:]}."


def _varies(array: xarray.DataArray, name: object) -> bool:
    return bool(array.coords[name].dims)
