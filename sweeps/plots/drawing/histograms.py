"""How often which value occurs, where replicates are all that varies."""

from __future__ import annotations

from typing import Any

import numpy as np

from sweeps.plots import scales, values
from sweeps.plots.chart import Chart
from sweeps.plots.content import Content
from sweeps.plots.drawing import panels, style
from sweeps.plots.drawing.panels import Panel
from sweeps.plots.words import number

_MOST_BINS = 60


def _edges(found: Any, *, is_whole: bool) -> Any:
    """Edges of bins; integers get one each, if there are few."""
    low, high = found.min(), found.max()
    if is_whole and high - low < _MOST_BINS:
        return np.arange(low - 0.5, high + 1)
    n_bins = len(np.histogram_bin_edges(found, "auto")) - 1
    return min(n_bins, _MOST_BINS)


def draw(content: Content, chart: Chart, given: list[Panel]) -> None:
    """Draw a histogram, with the mean and its band."""
    array = values.shown(content, chart)
    scale = scales.of_values(array, chart.log, chart.part)
    found = scale.positions[np.isfinite(scale.positions)]
    ax = given[0].ax
    if scale.ticks:
        names, counts = np.unique(found, return_counts=True)
        ax.bar(names, counts, width=0.6, color=style.COLOURS[0])
    elif found.size:
        ax.hist(
            found, bins=_edges(found, is_whole=scale.is_whole), color=style.COLOURS[0], alpha=0.8
        )
        middle = float(found.mean())
        text = f"mean {number(middle)}"
        ax.axvline(middle, color=style.COLOURS[1], linestyle="--", label=text)
        if (
            band := values.confidence(array.copy(data=scale.positions), str(array.dims[-1]))
        ) is not None:
            low, high = float(band.low.mean()), float(band.high.mean())
            ax.axvspan(low, high, color=style.COLOURS[1], alpha=0.25, linewidth=0, label=band.text)
    for state, where in values.states(content, chart).items():
        ax.plot([], [], linestyle="none", label=panels.state_text(state, int(where.sum())))
    given[0].set_x(scale)
    ax.set_ylabel("replicates")
    panels.legend(given)
