"""One figure with several charts, which headless machines and notebooks show alike."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from sweeps.plots import describe, draw, style
from sweeps.plots.chart import Chart
from sweeps.plots.content import Content
from sweeps.plots.words import plain

_NOTE_WIDTH = 14
"""Characters of a note for each inch."""


class Sheet(Figure):  # type: ignore[misc]
    """A figure that a notebook shows, although it does not come from `pyplot`."""

    def _repr_png_(self) -> bytes:
        stream = io.BytesIO()
        self.savefig(stream, format="png", dpi=120)
        return stream.getvalue()


def draw_sheet(found: Sequence[tuple[Content, Chart]]) -> Figure:
    """Draw charts in a grid of parts, each with its notes below."""
    sizes = [draw.size(content, chart) for content, chart in found]
    n_columns = _columns(found)
    n_rows = -(-len(found) // n_columns)
    rows = [sizes[i * n_columns : (i + 1) * n_columns] for i in range(n_rows)]
    heights = [max(height for _, height in row) for row in rows]
    width = max(sum(width for width, _ in row) for row in rows)
    with mpl.rc_context(style.SETTINGS):
        figure = Sheet(figsize=(width, sum(heights)), layout="constrained")
        parts = figure.subfigures(n_rows, n_columns, squeeze=False, height_ratios=heights)
        for (content, chart), part in zip(found, parts.flat, strict=False):
            draw.draw(content, chart, part)
            _note(content, chart, part, width / n_columns)
    return figure


def _columns(found: Sequence[tuple[Content, Chart]]) -> int:
    is_wide = any(draw.shape(content, chart)[1] > 1 for content, chart in found)
    return 1 if is_wide else min(3, math.ceil(math.sqrt(len(found))))


def _note(content: Content, chart: Chart, part: Any, width: float) -> None:
    """Say above a chart what it is a picture of, and where it is cut."""
    import textwrap

    lines = textwrap.wrap("; ".join(describe.notes(content, chart)), int(width * _NOTE_WIDTH))
    if lines:
        part.suptitle("\n".join(plain(line, 200) for line in lines), fontsize=8, color="0.25")
