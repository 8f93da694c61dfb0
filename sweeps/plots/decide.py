"""Which picture is right: from names, dimensions, kinds and values to a `Chart`; draws nothing."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from sweeps.errors import SweepsError, unknown
from sweeps.plots import thin
from sweeps.plots.arrange import arrange
from sweeps.plots.chart import HISTOGRAM, LINES, NUMBERS, Chart, Wish
from sweeps.plots.companions import Companions, companions
from sweeps.plots.content import Content, kind
from sweeps.plots.words import listed

if TYPE_CHECKING:
    import xarray

MOST_TEXTS = 12
"""Different texts of an output that can be drawn as categories."""

_LONG_TEXT = 12


def charts(content: Content, wish: Wish | None = None) -> tuple[Chart, ...]:
    """Decide what is drawn of each output that is asked for, or of each that can be drawn.

    Raises
    ------
    UnknownNameError
        For a name that is no axis and no output.
    SweepsError
        For an output that cannot be drawn, if it is asked for by name.
    """
    wish = wish or Wish()
    _check(content, wish)
    own = companions(content)
    asked = [name for name in wish.y if name in content.outputs]
    is_map = wish.hue in content.outputs and wish.x not in content.outputs and not asked
    if is_map:
        asked = [str(wish.hue)]
    chosen = asked or [name for name in own.leaders if name != wish.x]
    found: list[Chart] = []
    for name in chosen:
        if reason := _refusal(content, name):
            if name in asked:
                raise SweepsError(f"cannot draw {name!r}: {reason}")
            continue
        found += _of_output(content, name, wish, own)
    return tuple(_together(content, found))


def _together(content: Content, found: list[Chart]) -> list[Chart]:
    """List all outputs that have one value only: a plot of one point shows nothing."""
    single = [chart for chart in found if _is_single(content, chart)]
    if not single:
        return found
    names = tuple(dict.fromkeys(chart.output for chart in single))
    cut = dict(cut for chart in single for cut in chart.slices)
    notes = tuple(dict.fromkeys(note for chart in single for note in chart.notes))
    one = Chart(NUMBERS, names[0], across=names, slices=tuple(cut.items()), notes=notes)
    return [one, *(chart for chart in found if chart not in single)]


def _is_single(content: Content, chart: Chart) -> bool:
    sizes = content.dataset[chart.output].sizes
    left = [size for dim, size in sizes.items() if dim not in dict(chart.slices)]
    return chart.form == LINES and not chart.mean_over and all(size == 1 for size in left)


def left_out(content: Content, wish: Wish | None = None) -> dict[str, str]:
    """Outputs that cannot be drawn, and why; empty if outputs were asked for by name."""
    if wish is not None and (wish.y or wish.hue in content.outputs):
        return {}
    reasons = {name: _refusal(content, name) for name in content.outputs}
    return {name: reason for name, reason in reasons.items() if reason}


def _check(content: Content, wish: Wish) -> None:
    """Refuse names that there are not, and roles that exclude each other."""
    known = {*content.axes, *content.outputs}
    logarithmic = [name for name in wish.log if name not in ("x", "y")]
    given = [wish.x, *wish.y, wish.hue, wish.row, wish.col, *logarithmic]
    for name in given:
        if name is not None and name not in known:
            raise unknown("axis or output", name, known, f"in the results of {content.name}")
    for name in filter(None, (wish.row, wish.col)):
        if name not in content.dataset.dims or name in content.lists:
            dims = [str(dim) for dim in content.dataset.dims if dim not in content.lists]
            raise SweepsError(
                f"{name!r} cannot have panels of its own: "
                + (f"give one of {listed(dims)}" if dims else "there is no axis with few values")
            )
    axes = [name for name in wish.y if name not in content.outputs]
    if axes and len(wish.y) > 1:
        raise SweepsError(
            f"-y takes outputs, or one axis: {axes[0]!r} is an axis; to colour by an output, "
            "give it as --hue"
        )
    roles = [name for name in (wish.x, wish.row, wish.col, wish.hue, *axes) if name]
    twice = sorted({name for name in roles if roles.count(name) > 1})
    if twice:
        raise SweepsError(f"{twice[0]!r} is given twice: an axis has one place in a picture")


def _refusal(content: Content, name: str) -> str:
    """Why an output cannot be drawn; empty if it can."""
    variable = content.dataset[name]
    what = kind(variable)
    if what == "other":
        return f"its values are {variable.dtype}, which no axis can show"
    if what == "text" and variable.size > MOST_TEXTS:
        n = len({one for one in variable.values.flat if one == one})
        if n > MOST_TEXTS:
            return f"it has {n:,} different texts: see `show`"
    return "" if variable.size else "it has no values"


def _of_output(content: Content, name: str, wish: Wish, own: Companions) -> list[Chart]:
    chart = arrange(content, name, wish)
    chart = dataclasses.replace(chart, log=_logarithmic(content, chart, wish))
    if chart.form == LINES and chart.x is not None:
        chart = dataclasses.replace(
            chart, is_sideways=_is_long_text(content.dataset[chart.x]) and chart.hue is None
        )
    if chart.form in (LINES, HISTOGRAM):
        chart = dataclasses.replace(
            chart,
            beside=own.beside.get(name, ()) if chart.hue is None and chart.form == LINES else (),
            error=own.error.get(name),
            quantile=own.quantile.get(name),
        )
    chart = thin.thin(chart, content)
    if kind(content.dataset[name]) != "complex":
        return [chart]
    return [dataclasses.replace(chart, part=part) for part in ("magnitude", "phase")]


def _logarithmic(content: Content, chart: Chart, wish: Wish) -> tuple[str, ...]:
    """Names of logarithmic axes; refuse those that have no positive values."""
    lying = (chart.x,) if chart.x else chart.across
    standing = chart.y or chart.output
    meant = {"x": lying, "y": (standing,)}
    known = {*content.axes, *content.outputs}
    names = [n for name in wish.log for n in ((name,) if name in known else meant[name])]
    for name in filter(None, names):
        variable = content.dataset[name]
        is_number = kind(variable) in ("number", "complex")
        if not is_number or not bool(
            (abs(variable) if kind(variable) == "complex" else variable > 0).any()
        ):
            raise SweepsError(
                f"no logarithmic axis for {name!r}: it has no positive numbers; leave out "
                f"--log {name}"
            )
    return tuple(filter(None, names))


def _is_long_text(axis: xarray.DataArray) -> bool:
    return kind(axis) == "text" and max(len(str(v)) for v in axis.values.flat) > _LONG_TEXT
