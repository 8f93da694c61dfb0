"""The pictures of a report: those that `plots` decides on, and one of where points were slow."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import xarray
from markupsafe import Markup

from sweeps.plots import content as contents
from sweeps.plots import decide
from sweeps.plots import pictures as plots
from sweeps.plots.chart import Chart, Wish
from sweeps.plots.content import Content
from sweeps.reports import vector
from sweeps.reports.report import Report
from sweeps.storage.dataset import read
from sweeps.storage.hdf5 import GROUP
from sweeps.text import count

MOST_PICTURES = 12

_ROOM_BYTES = 500_000
"""For all pictures together: each may take its share of what the ones before it left."""

_WIDE = 20.0
"""Times that differ by a larger factor are shown on a logarithmic scale."""

_ELAPSED = "elapsed/s"
"""No parameter can have such a name."""


@dataclasses.dataclass(frozen=True)
class Drawn:
    """A picture in a report: `drawing` is HTML that is safe; the rest is any text."""

    title: str
    caption: str
    alt: str
    drawing: Markup


class Drawings(NamedTuple):
    """Pictures of the results, what is not drawn and why, and a picture of the time."""

    results: tuple[Drawn, ...]
    not_drawn: str
    time: Drawn | None


def draw(path: Path, report: Report) -> Drawings:
    """Draw what a report shows of a results file.

    Raises
    ------
    SweepsError
        If matplotlib is not installed.
    """
    plots.require()
    if not report.counts["done"]:
        return Drawings((), "", None)
    found = plots.decided(path)
    parts, left_out = found.parts, found.left_out
    made = _drawn(parts[:MOST_PICTURES], "p", _ROOM_BYTES)
    told = []
    if len(parts) > MOST_PICTURES:
        told.append(
            f"{MOST_PICTURES} of {len(parts):,} pictures are here; python -m sweeps plot draws "
            "those of the outputs that you name."
        )
    told += [f"{name} is not drawn: {reason}." for name, reason in [*left_out.items()][:5]]
    if len(left_out) > 5:
        told.append(f"{count(len(left_out) - 5, 'more output')} cannot be drawn either.")
    return Drawings(tuple(made), " ".join(told), _time(path, report))


def _drawn(found: Sequence[tuple[Content, Chart]], prefix: str, room: int) -> list[Drawn]:
    made: list[Drawn] = []
    for content, chart in found:
        picture = plots.picture(content, chart)
        share = min(vector.MOST_BYTES, max(room, 0) // (len(found) - len(made)))
        drawing = vector.drawn(picture.figure, f"{prefix}{len(made)}", share)
        room -= len(drawing)
        made.append(Drawn(picture.title, picture.caption, picture.alt, Markup(drawing)))
    return made


def _time(path: Path, report: Report) -> Drawn | None:
    """Draw the time that points took, if it depends on where they are."""
    if report.timing is None or not report.timing.finding:
        return None
    state = read(path, GROUP).dataset.variables
    dims = state["status"].dims
    own = {n: c for n, c in read(path).dataset.coords.items() if {*c.dims} <= {*dims}}
    labels = {"long_name": "time per point", "units": "s"}
    taken = xarray.Dataset({_ELAPSED: (dims, state["elapsed"].values, labels)}, own)
    status = xarray.DataArray(state["status"].values, dims=dims)
    content = contents.of(report.name, taken, status)
    quantiles = report.timing.quantiles
    is_wide = quantiles["slowest"] > _WIDE * max(quantiles["fastest"], 1e-9)
    wish = Wish(log=(_ELAPSED,)) if is_wide else None
    charts = decide.charts(content, wish)
    return _drawn([(content, charts[0])], "t", vector.MOST_BYTES)[0] if charts else None
