"""Draws a chart into a figure; all that is decided stands in the chart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sweeps.plots.chart import HISTOGRAM, LINES, MAP, NUMBERS, POINTS, Chart
from sweeps.plots.content import Content
from sweeps.plots.drawing import histograms, lines, maps, numbers, points
from sweeps.plots.drawing.panels import Panel
from sweeps.plots.words import plain, title, value_text

if TYPE_CHECKING:
    from matplotlib.figure import FigureBase

WIDTH, HEIGHT = 4.2, 3.1
"""Inches of a picture with one panel."""


def shape(content: Content, chart: Chart) -> tuple[int, int]:
    """Rows and columns of panels that a chart needs."""
    if chart.form == POINTS:
        n = len(chart.across)
        n_columns = min(n, 3)
        if not chart.facets:
            return -(-n // n_columns), n_columns
    sizes = {dim: len(positions(content, chart, dim)) for dim in chart.facets}
    return sizes.get(chart.row or "", 1), sizes.get(chart.col or "", 1)


def size(content: Content, chart: Chart) -> tuple[float, float]:
    """Width and height in inches that a chart needs."""
    n_rows, n_columns = shape(content, chart)
    if chart.form == NUMBERS:
        return 1.8 * WIDTH, max(0.6, 0.35 + 0.22 * len(chart.across))
    width = WIDTH if n_columns == 1 else 0.6 + 2.3 * n_columns
    if (
        chart.form == LINES
        and chart.hue is not None
        and len(positions(content, chart, chart.hue)) > 2
    ):
        width += 0.9  # of the legend
    height = HEIGHT if n_rows == 1 else 0.5 + 2.0 * n_rows
    if chart.is_sideways and chart.x is not None:
        n = content.dataset.sizes.get(chart.x, 1)
        height = max(height, min(0.9 + 0.2 * n, 12.0))
        width += 0.8
    return width, height


def positions(content: Content, chart: Chart, dim: str) -> list[int]:
    """Positions along a dimension that are shown."""
    return list(dict(chart.picked).get(dim, range(content.dataset.sizes[dim])))


def draw(content: Content, chart: Chart, figure: FigureBase) -> None:
    """Draw a chart, in all panels that it needs."""
    n_rows, n_columns = shape(content, chart)
    axes = figure.subplots(
        n_rows,
        n_columns,
        squeeze=False,
        sharex=chart.form != POINTS,
        sharey=chart.form != HISTOGRAM,
    )
    form = {
        MAP: maps.draw,
        POINTS: points.draw,
        HISTOGRAM: histograms.draw,
        NUMBERS: numbers.draw,
    }
    form.get(chart.form, lines.draw)(content, chart, _panels(content, chart, axes))


def _panels(content: Content, chart: Chart, axes: Any) -> list[Panel]:
    """Pair axes with what they show: values of row and column, or one of several parameters."""
    n_rows, n_columns = axes.shape
    if chart.form == POINTS and not chart.facets:
        for spare in axes.flat[len(chart.across) :]:
            spare.set_visible(False)
        shown = axes.flat[: len(chart.across)]
        return [
            Panel(ax, {}, name, is_left=not i % n_columns, is_low=True)
            for i, (ax, name) in enumerate(zip(shown, chart.across, strict=True))
        ]
    found = []
    for (i, j), ax in np.ndenumerate(axes):
        at = {dim: k for dim, k in ((chart.row, i), (chart.col, j)) if dim is not None}
        said = [
            plain(
                f"{title(content.dataset[dim])} = "
                + value_text(content.dataset[dim], positions(content, chart, dim)[k])
            )
            for dim, k in at.items()
        ]
        if said:
            ax.set_title("\n".join(said))
        across = chart.across[0] if chart.across else ""
        found.append(Panel(ax, at, across, is_left=j == 0, is_low=i == n_rows - 1))
    return found
