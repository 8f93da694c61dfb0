"""One figure with several charts, which headless machines and notebooks show alike."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from sweeps.plots import describe
from sweeps.plots.chart import Chart
from sweeps.plots.content import Content
from sweeps.plots.drawing import draw, style
from sweeps.plots.words import plain

_NOTE_WIDTH = 14
"""Characters of a note for each inch."""

_PAGE = 10.5
"""Inches of a row of charts."""

_MOST_IN_ROW = 2


class Sheet(Figure):  # type: ignore[misc]
    """A figure that a notebook shows, although it does not come from `pyplot`."""

    def savefig(self, *args: Any, **options: Any) -> None:
        """Write the figure as `matplotlib.figure.Figure` does, with the settings of pictures."""
        with warnings.catch_warnings(), mpl.rc_context(style.SETTINGS):
            # a font that lacks a character draws a box, which is no reason to speak of
            warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)
            super().savefig(*args, **options)

    def _repr_png_(self) -> bytes:
        stream = io.BytesIO()
        self.savefig(stream, format="png", dpi=120)
        return stream.getvalue()


def draw_sheet(found: Sequence[tuple[Content, Chart]]) -> Figure:
    """Draw charts in rows, each with what must be known of it above."""
    sizes = [draw.size(content, chart) for content, chart in found]
    rows = _rows([width for width, _ in sizes])
    total = max(sum(sizes[i][0] for i in row) for row in rows)
    heights = [max(sizes[i][1] for i in row) for row in rows]
    with mpl.rc_context(style.SETTINGS):
        figure = Sheet(figsize=(total, sum(heights)), layout="constrained")
        bands = figure.subfigures(len(rows), 1, squeeze=False, height_ratios=heights)
        for band, row in zip(bands.flat, rows, strict=True):
            widths = [sizes[i][0] for i in row]
            spare = total - sum(widths)
            widths += [spare] if spare > 0.1 else []
            parts = band.subfigures(1, len(widths), squeeze=False, width_ratios=widths)
            for i, part in zip(row, parts.flat, strict=False):
                content, chart = found[i]
                draw.draw(content, chart, part)
                _note(content, chart, part, sizes[i][0])
    return figure


def _rows(widths: Sequence[float]) -> list[list[int]]:
    """Distribute charts over rows, in their order, none wider than a page unless alone."""
    rows: list[list[int]] = []
    for i, width in enumerate(widths):
        row = rows[-1] if rows else []
        if row and sum(widths[j] for j in row) + width <= _PAGE and len(row) < _MOST_IN_ROW:
            row.append(i)
        else:
            rows.append([i])
    return rows


def _note(content: Content, chart: Chart, part: Any, width: float) -> None:
    """Say above a chart what it is a picture of, and where it is cut."""
    import textwrap

    lines = textwrap.wrap("; ".join(describe.notes(content, chart)), int(width * _NOTE_WIDTH))
    if lines:
        part.suptitle("\n".join(plain(line, 200) for line in lines), fontsize=8, color="0.25")
