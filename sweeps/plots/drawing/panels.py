"""One pair of axes: its labels, its ticks, and the marks of points without a value."""

from __future__ import annotations

import dataclasses
import textwrap
from typing import Any

import numpy as np
import numpy.typing as npt

from sweeps.plots.drawing import style
from sweeps.plots.scales import Scale
from sweeps.plots.values import NAMES
from sweeps.plots.words import plain

_MOST_NAMED = 40

_LONGEST = 36

_SHORT = 14
"""Characters of a text that has room beside the axes."""

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
        axis.set_label_text(wrapped(scale.label))
    if scale.ticks:
        step = -(-len(scale.ticks) // _MOST_NAMED)
        places, texts = zip(*scale.ticks[::step], strict=True)
        axis.set_ticks(places, labels=texts)
        axis.set_ticks([], minor=True)
    elif scale.is_whole:
        from matplotlib.ticker import MaxNLocator

        if not scale.is_log:
            axis.set_major_locator(MaxNLocator("auto", integer=True, steps=[1, 2, 5, 10]))
            _make_room(axis, scale)
    elif scale.positions.dtype.kind == "M":
        from matplotlib import dates

        locator = dates.AutoDateLocator(minticks=3, maxticks=6)
        axis.set_major_locator(locator)
        axis.set_major_formatter(dates.ConciseDateFormatter(locator))


def _make_room(axis: Any, scale: Scale) -> None:
    """Let an axis of integers span one at least: around one value, ticks would be fractions."""
    ax = axis.axes
    finite = scale.positions[np.isfinite(scale.positions)]
    if finite.size and finite.max() == finite.min():
        low, high = float(finite.min()) - 1, float(finite.max()) + 1
        if low < high:  # beyond 2^53 they need not be
            set_limits = ax.set_ylim if axis is ax.yaxis else ax.set_xlim
            set_limits(low, high)


def wrapped(label: str) -> str:
    """Break a long label into lines that fit beside a panel."""
    return "\n".join(plain(line, 60) for line in textwrap.wrap(label, _LONGEST)[:3])


def mark(
    panel: Panel,
    found: dict[int, tuple[npt.NDArray[Any], int]],
    *,
    is_sideways: bool = False,
) -> None:
    """Mark positions without a value at the edge of the panel, and say their state and number."""
    from matplotlib.transforms import blended_transform_factory

    ax = panel.ax
    for level, (state, (places, n_points)) in enumerate(found.items()):
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
            label=state_text(state, n_points),
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


def legend(given: list[Panel], heading: str = "") -> None:
    """Add a legend of all panels to the last one, if there is anything to tell apart.

    It stands within the axes, or beside them if it is long, or below all if its texts are long.
    """
    found: dict[str, Any] = {}
    for panel in given:
        handles, texts = panel.ax.get_legend_handles_labels()
        found |= dict(zip(texts, handles, strict=True))
    handles, texts, ax = list(found.values()), list(found), given[-1].ax
    if handles:
        add, where = ax.legend, dict[str, Any]()
        if len(handles) > _FEW and len(max(texts, key=len)) <= _SHORT:
            where = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5)}
        elif len(handles) > 1 and len(max(texts, key=len)) > _SHORT:
            add, where = ax.figure.legend, {"loc": "outside lower center", "ncols": 2}
        made = add(handles, texts, title=plain(heading) or None, framealpha=0.6, **where)
        made.get_title().set_fontsize(8)
