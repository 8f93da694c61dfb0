"""Scatter plots: an output against parameters that vary together, or against another output."""

from __future__ import annotations

from typing import Any

import numpy as np

from sweeps.plots import scales, values
from sweeps.plots.chart import Chart
from sweeps.plots.content import Content
from sweeps.plots.drawing import panels, style
from sweeps.plots.drawing.panels import Panel
from sweeps.plots.scales import Scale
from sweeps.plots.words import label

_MOST_NAMED = 8


def draw(content: Content, chart: Chart, given: list[Panel]) -> None:
    """Draw one marker for each point, in each panel."""
    import xarray

    mean = values.averaged(values.shown(content, chart), chart.mean_over)
    scale = scales.of_values(mean, chart.log, chart.part)
    hue = None if chart.hue is None else _variable(content, chart, chart.hue)
    marks = values.states(content, chart)
    painted = None
    for panel in given:
        axis = _variable(content, chart, panel.across)
        x_scale = scales.of_values(axis, chart.log)
        if panel.across not in content.outputs:
            x_scale = scales.of_sample(axis, chart.log)
        parts = [mean.copy(data=scale.positions), axis.copy(data=x_scale.positions)]
        if hue is not None:
            parts.append(hue.copy(data=_numbers(scales.of_values(hue))))
        here = [part.isel({d: i for d, i in panel.at.items() if d in part.dims}) for part in parts]
        y, x, *colour = _some([part.values.ravel() for part in xarray.broadcast(*here)], chart)
        painted = _scatter(panel, chart, x, y, colour)
        _mark(panel, chart, x_scale, axis, marks)
        panel.set_x(x_scale)
        panel.set_y(scale)
    if hue is not None:
        _tell_hue(content, chart, hue, painted, given)
    else:
        panels.legend(given)


def _some(columns: list[Any], chart: Chart) -> list[Any]:
    """Choose at random which of too many points are drawn, the same ones each time.

    Every n-th would not do: every second point of a Sobol' sample has a bias.
    """
    if chart.n_drawn is None or len(columns[0]) <= chart.n_drawn:
        return columns
    chosen = np.random.default_rng(0).choice(len(columns[0]), chart.n_drawn, replace=False)
    return [column[np.sort(chosen)] for column in columns]


def _variable(content: Content, chart: Chart, name: str) -> Any:
    return values.averaged(values.shown(content, chart, name), chart.mean_over)


def _numbers(scale: Scale) -> Any:
    positions = scale.positions
    return positions if positions.dtype.kind != "M" else positions.astype("M8[us]").astype(float)


def _scatter(panel: Panel, chart: Chart, x: Any, y: Any, colour: list[Any]) -> Any:
    n = len(x)
    area, alpha = (14, 0.9) if n <= 200 else (6, 0.6) if n <= 2000 else (1.0, 0.35)
    how: dict[str, Any] = {"color": style.COLOURS[0]}
    if colour:
        how = {"c": colour[0], "cmap": style.COLOUR_MAP}
    is_bitmap = n > style.MOST_VECTORS
    return panel.ax.scatter(
        x, y, s=area, alpha=alpha, linewidths=0, rasterized=is_bitmap, zorder=3, **how
    )


def _mark(panel: Panel, chart: Chart, scale: Scale, axis: Any, marks: dict[int, Any]) -> None:
    """Mark where along the horizontal axis points have no value."""
    found = {}
    for state, where in marks.items():
        here = where.isel({dim: i for dim, i in panel.at.items() if dim in where.dims})
        if not set(axis.dims) <= set(here.dims):
            continue
        some = here.any([dim for dim in here.dims if dim not in axis.dims]).transpose(*axis.dims)
        places = scale.positions[some.values]
        is_there = ~(np.isnat(places) if places.dtype.kind == "M" else np.isnan(places))
        if is_there.any():
            found[state] = (_some([places[is_there]], chart)[0], int(where.sum()))
    panels.mark(panel, found)


def _tell_hue(content: Content, chart: Chart, hue: Any, painted: Any, given: list[Panel]) -> None:
    scale = scales.of_values(hue)
    bar = given[0].ax.figure.colorbar(painted, ax=[panel.ax for panel in given])
    bar.set_label(panels.wrapped(label(content.dataset[chart.hue])))
    if scale.ticks:
        places, texts = zip(*scale.ticks[:_MOST_NAMED], strict=True)
        bar.set_ticks(places, labels=texts)
    panels.legend(given)
