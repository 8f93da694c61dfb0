"""Gives each dimension of an output its place: an axis, a colour, panels, or a slice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sweeps.errors import SweepsError
from sweeps.plots import cuts, noise
from sweeps.plots.chart import HISTOGRAM, LINES, MAP, POINTS, Chart, Wish
from sweeps.plots.content import Content, kind
from sweeps.plots.words import listed

if TYPE_CHECKING:
    import xarray

MOST_LINES = 5
"""Lines in one panel; more cannot be told apart in print."""

FEW = 4
"""Values of a second axis that are lines, not the rows of a heat map."""

MOST_PANELS = 6
"""Values of an axis that have panels of their own."""

MOST_ACROSS = 6
"""Parameters against which an output of a sample is drawn."""

REPLICATE = "replicate"

_AVERAGED = ("number", "boolean", "complex")


def arrange(content: Content, name: str, wish: Wish) -> Chart:
    """Give each dimension of an output its place."""
    output = content.dataset[name]
    sizes = {str(dim): size for dim, size in output.sizes.items()}
    wished = {wish.x, wish.hue, wish.row, wish.col, *wish.y}
    mean = None
    is_meant = REPLICATE not in wished and not _is_scattered(content, wish)
    if is_meant and sizes.get(REPLICATE, 0) > 1 and kind(output) in _AVERAGED:
        mean = REPLICATE
    free = [dim for dim in sizes if dim != mean]
    many = [dim for dim in free if sizes[dim] > 1]
    lists = [dim for dim in many if dim in content.lists]
    own = [dim for dim in free if dim not in content.space_dims and content.status is not None]
    of_lists = {name for dim in lists for name in content.lists[dim]}
    if _is_scattered(content, wish) or (wish.x in of_lists):
        return _points(content, name, wish, free, mean, (str(wish.x),))
    if lists and not [dim for dim in own if sizes[dim] > 1] and wish.x is None:
        across = content.lists[lists[0]][:MOST_ACROSS]
        return _points(content, name, wish, free, mean, across)
    grid = [dim for dim in many if dim not in content.lists]
    if not grid and mean is None and not lists:
        grid = [dim for dim in free if dim not in content.lists][:1]
    if not grid and wish.x is None:
        if mean is not None and not lists:
            return Chart(HISTOGRAM, name, slices=cuts.middle(free, sizes))
        return Chart(LINES, name, slices=cuts.middle(free, sizes))
    return _on_grid(content, output, wish, free, grid, mean)


def _is_scattered(content: Content, wish: Wish) -> bool:
    """Whether the horizontal axis is an output, so that points are drawn for what they are."""
    return wish.x in content.outputs


def _points(
    content: Content,
    name: str,
    wish: Wish,
    free: Sequence[str],
    mean: str | None,
    across: Sequence[str],
) -> Chart:
    """Points against parameters that vary together; other dimensions at the middle."""
    output = content.dataset[name]
    sizes = {str(dim): size for dim, size in output.sizes.items()}
    needed = {str(d) for n in (*across, wish.hue) if n for d in content.dataset[n].dims}
    needed |= {str(dim) for dim in (wish.row, wish.col) if dim}
    if _is_scattered(content, wish):
        needed |= set(content.space_dims)
    others = [dim for dim in free if dim not in needed]
    notes = cuts.notes(content, others, sizes)
    all_of_list = [len(content.lists[dim]) for dim in content.lists if dim in needed]
    if all_of_list and max(all_of_list) > len(across) == MOST_ACROSS:
        notes += (f"the first {MOST_ACROSS} of {max(all_of_list)} parameters",)
    return Chart(
        POINTS,
        name,
        across=tuple(across),
        hue=wish.hue,
        row=wish.row,
        col=wish.col,
        slices=cuts.middle(others, sizes),
        mean_over=mean,
        notes=notes,
    )


def _on_grid(
    content: Content,
    output: xarray.DataArray,
    wish: Wish,
    free: Sequence[str],
    grid: Sequence[str],
    mean: str | None,
) -> Chart:
    """Lines, or a heat map, over axes; more axes as panels if they have few values."""
    sizes = {str(dim): size for dim, size in output.sizes.items()}
    name = str(output.name)
    own = [dim for dim in grid if content.status is not None and dim not in content.space_dims]
    hue_dim = wish.hue if wish.hue not in content.outputs else None
    roles = [wish.x, hue_dim, wish.row, wish.col, *(n for n in wish.y if n in content.axes)]
    for role in filter(None, roles):
        if role not in sizes:
            raise SweepsError(
                f"{name!r} does not vary along {role!r}: it has {listed(sizes) or 'no dimensions'}"
            )
    rest = [dim for dim in grid if dim not in roles]
    y = next((n for n in wish.y if n in content.axes), None)
    x = wish.x or _take(rest, _best_x(content, rest, own, sizes))
    if wish.hue in content.outputs and y is None:
        y = _take(rest, _best_x(content, rest, own, sizes))
    is_free = not (y or hue_dim or wish.x)
    if is_free and x and (found := _as_noise(content, output, x, rest, sizes, mean)):
        return found
    hue = hue_dim
    if wish.x and hue is None and not {*wish.y}.isdisjoint(content.outputs):
        hue = _take(rest, _best_x(content, rest, own, sizes))  # who names both axes wants lines
    elif y is None and hue is None and x is not None:
        y, hue = _second(content, output, x, rest, own, sizes)
        rest = [dim for dim in rest if dim not in (y, hue)]
    if y is not None and is_free and _is_other_way(grid, x, y, own):
        x, y = y, x
    picked, notes = cuts.pick(content, hue, sizes, MOST_LINES)
    col, row = wish.col, wish.row
    few = sorted((d for d in rest if 1 < sizes[d] <= MOST_PANELS), key=lambda dim: sizes[dim])
    if col is None and row is None and few:
        col = few.pop(0)
        rest.remove(col)
        if few and sizes[few[0]] * sizes[col] <= 2 * MOST_PANELS:
            row = few[0]
            rest.remove(row)
    for facet in (col, row):
        more = cuts.pick(content, facet, sizes, MOST_PANELS)
        picked, notes = picked + more[0], notes + more[1]
    cut = [dim for dim in free if dim not in (x, y, hue, row, col)]
    return Chart(
        MAP if y else LINES,
        name,
        x=x,
        y=y,
        hue=hue,
        row=row,
        col=col,
        slices=cuts.middle(cut, sizes),
        picked=picked,
        mean_over=mean,
        notes=(*cuts.notes(content, cut, sizes), *notes),
    )


def _take(names: list[str], name: str | None) -> str | None:
    if name is not None:
        names.remove(name)
    return name


def _best_x(
    content: Content, dims: Sequence[str], own: Sequence[str], sizes: dict[str, int]
) -> str | None:
    """Choose the axis for x: an output's own dimension, else numbers, and of these the longest."""

    def rank(dim: str) -> tuple[bool, bool, int]:
        is_number = kind(content.dataset[dim]) in ("number", "date", "duration")
        return dim in own, is_number, sizes[dim]

    return max(dims, key=rank, default=None)


def _second(
    content: Content,
    output: xarray.DataArray,
    x: str,
    rest: Sequence[str],
    own: Sequence[str],
    sizes: dict[str, int],
) -> tuple[str | None, str | None]:
    """Choose the second axis: upright in a heat map, or colours of lines."""
    if not rest:
        return None, None
    other_own = [dim for dim in rest if dim in own]
    if x in own and not other_own:
        numbers = [d for d in rest if kind(content.dataset[d]) == "number"]
        return None, max(numbers or rest, key=lambda dim: sizes[dim])
    second = _best_x(content, rest, own, sizes)
    if second is None or kind(output) == "text":
        return second, None
    is_named = kind(content.dataset[second]) in ("text", "boolean")
    is_measured = kind(content.dataset[x]) in ("number", "date", "duration")
    if is_measured and sizes[second] <= (MOST_LINES if is_named else FEW):
        return None, second
    return second, None


def _is_other_way(grid: Sequence[str], x: str | None, y: str, own: Sequence[str]) -> bool:
    """Whether x and y should be swapped: the first declared axis lies, the second stands.

    The dimensions of a returned array are rows and columns, so there the last one lies.
    """
    if x is None:
        return False
    if x in own:
        return y in own and grid.index(y) > grid.index(x)
    return grid.index(y) < grid.index(x)


def _as_noise(
    content: Content,
    output: xarray.DataArray,
    x: str,
    rest: Sequence[str],
    sizes: dict[str, int],
    mean: str | None,
) -> Chart | None:
    """Draw points instead of a heat map that would show noise."""
    if mean or len(rest) != 1 or {x, rest[0]} - set(content.space_dims):
        return None
    if kind(output) != "number" or min(sizes[x], sizes[rest[0]]) <= FEW:
        return None
    dims = (x, rest[0])
    if any(kind(content.dataset[dim]) != "number" for dim in dims):
        return None
    rough = noise.along(output.transpose(*dims, ...).values.reshape([sizes[d] for d in dims]))
    smooth = noise.smoother(dims, rough)
    if smooth is None:
        return None
    other = rest[0] if smooth == x else x
    note = f"every point, whatever its {other}: along it, values vary like noise"
    cut = [dim for dim in sizes if dim not in dims]
    return Chart(
        POINTS, str(output.name), across=(smooth,), slices=cuts.middle(cut, sizes), notes=(note,)
    )
