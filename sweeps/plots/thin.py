"""How much of a large result is drawn, so that 10^6 points are not 10^6 elements of a picture."""

from __future__ import annotations

import dataclasses
import math

from sweeps.plots.chart import LINES, MAP, POINTS, Chart
from sweeps.plots.content import Content

MOST_STEPS = 500
"""Blocks of a line that is longer, two points each; a panel has no more pixels."""

MOST_CELLS = 500
"""Cells of a heat map along one axis, for the same reason."""

MOST_MARKERS = 30_000
"""Points of a scatter plot; they are one bitmap, of 100 kB a panel if they fill it."""


def thin(chart: Chart, content: Content) -> Chart:
    """Draw blocks of values, or some points, where there are too many, and say so."""
    output = content.dataset[chart.output]
    sizes = {str(dim): size for dim, size in output.sizes.items()}
    if chart.form == POINTS:
        gone = {*dict(chart.slices), chart.mean_over}
        n_points = math.prod(size for dim, size in sizes.items() if dim not in gone)
        if n_points <= MOST_MARKERS:
            return chart
        note = f"{MOST_MARKERS:,} of {n_points:,} points, chosen at random"
        return dataclasses.replace(chart, n_drawn=MOST_MARKERS, notes=(*chart.notes, note))
    most = {LINES: MOST_STEPS, MAP: MOST_CELLS}.get(chart.form, 0)
    limit = 2 * most if chart.form == LINES else most
    long = [dim for dim in (chart.x, chart.y) if most and dim and sizes.get(dim, 0) > limit]
    steps = tuple((dim, -(-sizes[dim] // most)) for dim in long)
    what = "lowest and highest" if chart.form == LINES else "mean"
    notes = tuple(f"{what} of each {n:,} of {sizes[dim]:,} values of {dim}" for dim, n in steps)
    return dataclasses.replace(chart, steps=steps, notes=(*chart.notes, *notes))
