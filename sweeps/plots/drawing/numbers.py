"""A list of numbers, where there is one point only, or a summary of single values."""

from __future__ import annotations

from sweeps.plots import values
from sweeps.plots.chart import Chart
from sweeps.plots.content import Content
from sweeps.plots.drawing.panels import Panel
from sweeps.plots.words import plain


def draw(content: Content, chart: Chart, given: list[Panel]) -> None:
    """Write names to the left and values to the right of the middle."""
    ax = given[0].ax
    ax.axis("off")
    rows = values.single(content, chart)
    widest = min(max(len(name) for name, _ in rows), 40)
    for i, (name, text) in enumerate(rows):
        height = 1 - (i + 0.5) / len(rows)
        how = {"va": "center", "transform": ax.transAxes}
        ax.text(0.02, height, plain(name), **how)
        ax.text(0.05 + 0.012 * widest, height, plain(text), weight="bold", **how)
