"""Lines over an axis, with the band of a mean and marks where points have no value."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from sweeps.plots import scales, values
from sweeps.plots.chart import Chart
from sweeps.plots.content import Content
from sweeps.plots.drawing import blocks, panels, style
from sweeps.plots.drawing.panels import Panel
from sweeps.plots.scales import Scale
from sweeps.plots.words import label, plain, title, value_text

if TYPE_CHECKING:
    import xarray

_MOST_MARKED, _MOST_MARKED_OF_MANY = 60, 25
"""Points of a line that all have markers: of the only line, and of one of many."""

_MOST_VECTORS = 300
"""Edges of a band that are curves; longer ones are one bitmap within an SVG."""


@dataclasses.dataclass(frozen=True, eq=False)
class _Lines:
    """What all panels of a chart share."""

    chart: Chart
    x: Scale
    y: Scale
    numbers: xarray.DataArray
    band: tuple[xarray.DataArray, xarray.DataArray] | None

    @property
    def step(self) -> int:
        """How many neighbours are drawn as one."""
        return dict(self.chart.steps).get(self.chart.x or "", 1)


def draw(content: Content, chart: Chart, given: list[Panel]) -> None:
    """Draw one line for each value of `hue`, in each panel."""
    lines = _prepare(content, chart)
    states = values.states(content, chart)
    for panel in given:
        _draw_panel(content, lines, panel)
        if chart.x is not None:
            _mark(lines, panel, states)
        x, y = (lines.y, lines.x) if chart.is_sideways else (lines.x, lines.y)
        panel.set_x(x)
        panel.set_y(y)
        if chart.is_sideways:
            panel.ax.invert_yaxis()
            panel.ax.grid(axis="y", color="0.9", linewidth=0.6)
        if chart.x is None:
            panel.ax.set_xticks([])
    heading = title(content.dataset[chart.hue]) if chart.hue else ""
    if chart.hue and (unit := label(content.dataset[chart.hue])) != heading:
        heading = unit
    panels.legend(given, heading)


def _prepare(content: Content, chart: Chart) -> _Lines:
    mean = values.averaged(values.shown(content, chart), chart.mean_over)
    y = scales.of_values(mean, chart.log, chart.part)
    band = values.band(content, chart) if not y.ticks or chart.mean_over else None
    sides = None if band is None else (band.low, band.high)
    x = Scale(np.zeros(1), (), "")
    if chart.x is not None:
        x = scales.of_axis(content.dataset[chart.x], chart.log)
    numbers = mean.copy(data=y.positions)
    return _Lines(chart, x, y, numbers, sides)


def _draw_panel(content: Content, lines: _Lines, panel: Panel) -> None:
    chart = lines.chart
    hues: list[int | None] = [None]
    if chart.hue is not None:
        hues = list(range(lines.numbers.sizes[chart.hue]))
    for i, hue in enumerate(hues):
        at = panel.at | ({chart.hue: hue} if chart.hue is not None else {})
        one = lines.numbers.isel(at)
        text = ""
        if hue is not None:
            text = plain(value_text(values.shown(content, chart, str(chart.hue)), hue))
        elif chart.beside:
            text = plain(title(content.dataset[chart.output]))
        _line(lines, panel.ax, one, i, text)
        if lines.band is not None:
            low, high = (side.isel(at) for side in lines.band)
            _band(lines, panel.ax, low, high, i)
    for i, name in enumerate(chart.beside, len(hues)):
        other = values.averaged(values.shown(content, chart, name), chart.mean_over)
        other = other.transpose(*lines.numbers.dims)
        own = other.copy(data=scales.of_values(other).positions).isel(panel.at)
        _line(lines, panel.ax, own, i, plain(title(content.dataset[name])))


def _line(lines: _Lines, ax: Any, one: xarray.DataArray, i: int, text: str) -> None:
    """Draw a line, or markers alone over categories."""
    x, y = np.atleast_1d(lines.x.positions), np.atleast_1d(one.values)
    if lines.step > 1:
        x, y = blocks.extremes(x, y, lines.step)
    is_joined = not lines.x.is_named and lines.chart.x is not None
    ax.plot(
        *((y, x) if lines.chart.is_sideways else (x, y)),
        linestyle=style.DASHES[i % len(style.DASHES)] if is_joined else "none",
        marker=style.MARKERS[i % len(style.MARKERS)],
        markevery=_marked(x, y, is_joined=is_joined, is_one_of_many=lines.chart.hue is not None),
        fillstyle="none" if i % 2 else "full",
        color=style.COLOURS[i % len(style.COLOURS)],
        label=f" {text}" if text.startswith("_") else text or None,  # "_…" would be left out
        zorder=3,
    )


def _marked(x: Any, y: Any, *, is_joined: bool, is_one_of_many: bool) -> list[int] | None:
    """Positions that have a marker; None for all.

    All have one if they are few. Of more, some, to tell lines apart in print; and those between
    two without a value, which no line leads to.
    """
    if not is_joined or len(x) <= (_MOST_MARKED if not is_one_of_many else _MOST_MARKED_OF_MANY):
        return None
    is_there = np.isfinite(y) if y.dtype.kind == "f" else ~np.isnat(y)
    before, after = np.append(False, is_there[:-1]), np.append(is_there[1:], False)
    lonely = np.flatnonzero(is_there & ~before & ~after)
    some = range(len(x) // 20, len(x), len(x) // 10) if is_one_of_many else ()
    return sorted({*map(int, lonely), *some})


def _band(lines: _Lines, ax: Any, low: xarray.DataArray, high: xarray.DataArray, i: int) -> None:
    """Fill between two curves; over categories, draw bars."""
    x, colour = np.atleast_1d(lines.x.positions), style.COLOURS[i % len(style.COLOURS)]
    bottom, top = np.atleast_1d(low.values), np.atleast_1d(high.values)
    if lines.step > 1:
        x, (bottom, top) = x[:: lines.step], blocks.envelope(bottom, top, lines.step)
    if not lines.x.is_named and len(x) > 1:
        fill = ax.fill_betweenx if lines.chart.is_sideways else ax.fill_between
        fill(
            x, bottom, top, color=colour, alpha=0.2, linewidth=0, rasterized=len(x) > _MOST_VECTORS
        )
        return
    bars = ax.hlines if lines.chart.is_sideways else ax.vlines
    bars(x, bottom, top, color=colour, linewidth=1.0)


def _mark(lines: _Lines, panel: Panel, states: dict[int, xarray.DataArray]) -> None:
    """Mark positions where no line of the panel has a value, and those where one lacks it."""
    found = {}
    for state, where in states.items():
        here = where.isel({d: i for d, i in panel.at.items() if d in where.dims})
        if lines.chart.x not in here.dims:  # of an array: there is nothing to draw
            text = panels.state_text(state, int(where.sum()))
            panel.ax.plot([], [], linestyle="none", label=text)
            continue
        some = here.any([dim for dim in here.dims if dim != lines.chart.x]).values
        if some.any():
            places = lines.x.positions[:: lines.step][blocks.some(some, 0, lines.step)]
            found[state] = (places, int(where.sum()))
    panels.mark(panel, found, is_sideways=lines.chart.is_sideways)
