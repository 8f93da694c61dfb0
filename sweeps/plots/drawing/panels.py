"""One pair of axes: its labels, its ticks, and the marks of points without a value."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from sweeps.plots.drawing import style
from sweeps.plots.scales import Scale
from sweeps.plots.values import NAMES
from sweeps.plots.words import plain

_MOST_NAMED = 40

_FEW = 2
"""Entries of a legend that has room within the axes."""


@dataclasses.dataclass(frozen=True, eq=False)
class Panel:
    """A pair of matplotlib's axes, and what they show.

    Attributes
    ----------
    ax : matplotlib.axes.Axes
    at : dict of str to int
        Position along each dimension that has panels.
    across : str
        The variable on the horizontal axis, if panels differ in it.
    is_left, is_low : bool
        Whether it has labels of its own: the others share them.
    """

    ax: Any
    at: dict[str, int]
    across: str
    is_left: bool
    is_low: bool

    def set_x(self, scale: Scale) -> None:
        """Label and tick the horizontal axis."""
        _set(self.ax.xaxis, scale, is_labelled=self.is_low)
        if scale.is_log:
            self.ax.set_xscale("log")
            _set(self.ax.xaxis, scale, is_labelled=self.is_low)
        if scale.is_named:
            self.ax.set_xlim(-0.5, max(place for place, _ in scale.ticks) + 0.5)
        if scale.is_named and sum(len(text) for _, text in scale.ticks) > 24:
            self.ax.tick_params(axis="x", labelrotation=30)
            for text in self.ax.get_xticklabels():
                text.set(ha="right", rotation_mode="anchor")

    def set_y(self, scale: Scale) -> None:
        """Label and tick the vertical axis."""
        if scale.is_log:
            self.ax.set_yscale("log")
        _set(self.ax.yaxis, scale, is_labelled=self.is_left)


def _set(axis: Any, scale: Scale, *, is_labelled: bool) -> None:
    if is_labelled:
        axis.set_label_text(plain(scale.label, 60))
    if scale.ticks:
        step = -(-len(scale.ticks) // _MOST_NAMED)
        places, texts = zip(*scale.ticks[::step], strict=True)
        axis.set_ticks(places, labels=texts)
        axis.set_ticks([], minor=True)
    elif scale.is_whole:
        from matplotlib.ticker import MaxNLocator

        if not scale.is_log:
            axis.set_major_locator(MaxNLocator(integer=True))
    elif scale.positions.dtype.kind == "M":
        from matplotlib import dates

        locator = dates.AutoDateLocator(minticks=3, maxticks=6)
        axis.set_major_locator(locator)
        axis.set_major_formatter(dates.ConciseDateFormatter(locator))


def mark(
    panel: Panel,
    found: dict[int, npt.NDArray[Any]],
    *,
    is_sideways: bool = False,
) -> None:
    """Mark positions without a value at the edge of the panel, and say which state they are in."""
    from matplotlib.transforms import blended_transform_factory

    ax = panel.ax
    for level, (state, places) in enumerate(found.items()):
        edge = np.full(len(places), 0.03 + 0.05 * level)
        over = (ax.transAxes, ax.transData) if is_sideways else (ax.transData, ax.transAxes)
        given = (edge, places) if is_sideways else (places, edge)
        ax.plot(
            *given,
            linestyle="none",
            marker=style.STATE_MARKERS[state],
            color=style.STATE_COLOURS[state],
            fillstyle="none",
            transform=blended_transform_factory(*over),
            label=state_text(state, len(places)),
            clip_on=False,
            zorder=4,
            rasterized=len(places) > style.MOST_VECTORS,
        )
        # a blended transform does not widen the axes, so places beyond the values would be cut
        _widen(ax.yaxis if is_sideways else ax.xaxis, places)


def _widen(axis: Any, places: npt.NDArray[Any]) -> None:
    ax = axis.axes
    update = np.column_stack([ax.convert_xunits(places), np.zeros(len(places))])
    if axis is ax.yaxis:
        update = np.column_stack([np.zeros(len(places)), ax.convert_yunits(places)])
    ax.update_datalim(update, updatex=axis is ax.xaxis, updatey=axis is ax.yaxis)
    ax.autoscale_view()


def state_text(state: int, n: int) -> str:
    """Name a state in a legend."""
    return f"{NAMES[state]} ({n:,})"


def legend(ax: Any, heading: str = "") -> None:
    """Add a legend if there is anything to tell apart; a long one beside the axes."""
    handles, texts = ax.get_legend_handles_labels()
    if handles:
        where = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5)} if len(handles) > _FEW else {}
        made = ax.legend(handles, texts, title=plain(heading) or None, framealpha=0.6, **where)
        made.get_title().set_fontsize(8)
