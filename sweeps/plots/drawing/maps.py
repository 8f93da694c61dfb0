"""Heat maps: cells with right edges, and hatches where points have no value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sweeps.plots import scales, values
from sweeps.plots.chart import Chart
from sweeps.plots.content import Content
from sweeps.plots.drawing import blocks, panels, style
from sweeps.plots.drawing.panels import Panel
from sweeps.plots.scales import Scale

if TYPE_CHECKING:
    import xarray


def draw(content: Content, chart: Chart, given: list[Panel]) -> None:
    """Draw a heat map in each panel, all with the same colours."""
    assert chart.x is not None
    assert chart.y is not None
    mean = values.averaged(values.shown(content, chart), chart.mean_over)
    colour = scales.of_values(mean, chart.log, chart.part)
    x, y = (scales.of_axis(content.dataset[name], chart.log) for name in (chart.x, chart.y))
    numbers = mean.copy(data=_floats(colour.positions))
    numbers = numbers.assign_coords({chart.x: _floats(x.positions), chart.y: _floats(y.positions)})
    is_averaged = not (colour.ticks or chart.part)
    numbers = _thinned(numbers, chart, is_averaged=is_averaged)
    how = _colours(chart, colour, numbers.values)
    marks = values.states(content, chart)
    for panel in given:
        mesh = _mesh(numbers.isel(panel.at), chart, panel.ax, x, y, how)
        panel.set_x(x)
        panel.set_y(y)
        _hatch(mesh, panel, chart, marks)
        if panel is given[-1]:
            _legend(panel.ax, marks)
    if np.isfinite(numbers.values).any():
        _bar(colour, mesh, [panel.ax for panel in given])


def _thinned(numbers: xarray.DataArray, chart: Chart, *, is_averaged: bool) -> xarray.DataArray:
    """Draw blocks of cells as one: their mean, or one of them if a mean means nothing."""
    for dim, n in chart.steps:
        middle = blocks.means(numbers[dim].values, 0, n)
        if is_averaged:
            data = blocks.means(numbers.values, numbers.get_axis_num(dim), n)
            numbers = numbers.isel({dim: slice(None, None, n)}).copy(data=data)
        else:
            numbers = numbers.isel({dim: slice(None, None, n)})
        numbers = numbers.assign_coords({dim: middle})
    return numbers


def _floats(positions: Any) -> Any:
    """Dates as matplotlib's numbers."""
    if positions.dtype.kind != "M":
        return positions
    from matplotlib import dates

    return np.where(np.isnat(positions), np.nan, dates.date2num(positions))


def _colours(chart: Chart, colour: Scale, numbers: Any) -> dict[str, Any]:
    """Colours of values: a map that grows in lightness, a circle for phases, or categories."""
    from matplotlib import colors

    finite = numbers[np.isfinite(numbers)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    if colour.ticks:
        n = len(colour.ticks)
        shades = ["#56B4E9", "#0072B2"] if n == 2 else [style.COLOURS[i % 8] for i in range(n)]
        return {"cmap": colors.ListedColormap(shades), "vmin": -0.5, "vmax": n - 0.5}
    if chart.part == "phase":
        return {"cmap": style.PHASE_MAP, "vmin": -np.pi, "vmax": np.pi}
    if colour.is_log and finite.size and (positive := finite[finite > 0]).size:
        norm = colors.LogNorm(float(positive.min()), float(positive.max()))
        return {"cmap": style.COLOUR_MAP, "norm": norm}
    return {"cmap": style.COLOUR_MAP, "vmin": low, "vmax": high}


def _mesh(
    numbers: xarray.DataArray, chart: Chart, ax: Any, x: Scale, y: Scale, how: dict[str, Any]
) -> Any:
    """Draw the cells; xarray finds their edges, on logarithmic axes too."""
    scale: dict[str, Any] = {"xscale": "log"} if x.is_log else {}
    scale |= {"yscale": "log"} if y.is_log else {}
    options = scale | how
    ax.set_facecolor("white")
    pcolormesh: Any = numbers.where(np.isfinite(numbers)).plot.pcolormesh  # 4 overloads
    return pcolormesh(
        x=chart.x,
        y=chart.y,
        ax=ax,
        add_colorbar=False,
        add_labels=False,
        infer_intervals=True,
        rasterized=True,
        **options,
    )


def _hatch(mesh: Any, panel: Panel, chart: Chart, marks: dict[int, xarray.DataArray]) -> None:
    """Hatch cells that have no value."""
    from matplotlib import colors

    edges = mesh.get_coordinates()
    for state, where in marks.items():
        here = where.isel({dim: i for dim, i in panel.at.items() if dim in where.dims})
        if chart.x not in here.dims or chart.y not in here.dims or not bool(here.any()):
            continue
        cells = here.transpose(chart.y, chart.x).values
        for axis, dim in enumerate((chart.y, chart.x)):
            cells = blocks.some(cells, axis, dict(chart.steps).get(str(dim), 1))
        is_few = cells.sum() <= style.MOST_HATCHED
        shade = style.STATE_COLOURS[state]
        drawn = np.ma.masked_array(np.ones(cells.shape), ~cells)
        opacity = 0.8 if chart.steps else 0.25  # a cell of many is a dot, without room for a hatch
        fill = colors.ListedColormap([colors.to_rgba(shade, opacity)])
        if is_few:
            panel.ax.pcolor(
                edges[..., 0],
                edges[..., 1],
                drawn,
                cmap=fill,
                hatch=style.HATCHES[state],
                edgecolor=shade,
                linewidth=0,
                rasterized=bool(cells.sum() > style.MOST_VECTORS),
            )
        else:
            panel.ax.pcolormesh(edges[..., 0], edges[..., 1], drawn, cmap=fill, rasterized=True)


def _legend(ax: Any, marks: dict[int, xarray.DataArray]) -> None:
    from matplotlib import colors
    from matplotlib.patches import Patch

    if not marks:
        return
    handles = [
        Patch(
            facecolor=colors.to_rgba(style.STATE_COLOURS[state], 0.25),
            edgecolor=style.STATE_COLOURS[state],
            hatch=style.HATCHES[state],
            linewidth=0,
            label=panels.state_text(state, int(where.sum())),
        )
        for state, where in marks.items()
    ]
    ax.figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False)


def _bar(colour: Scale, mesh: Any, axes: list[Any]) -> None:
    figure = axes[0].figure
    bar = figure.colorbar(mesh, ax=axes)
    bar.set_label(panels.wrapped(colour.label))
    bar.outline.set_linewidth(0.5)
    if colour.ticks:
        places, texts = zip(*colour.ticks, strict=True)
        bar.set_ticks(places, labels=texts)
    elif colour.positions.dtype.kind == "M":
        from matplotlib import dates

        locator = dates.AutoDateLocator()
        bar.ax.yaxis.set_major_locator(locator)
        bar.ax.yaxis.set_major_formatter(dates.ConciseDateFormatter(locator))
