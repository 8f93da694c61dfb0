"""How a space looks in a notebook; no function of the user is called for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sweeps import markup
from sweeps.spaces.product import Column, Deferred
from sweeps.spaces.values import Values, label

if TYPE_CHECKING:
    from sweeps.spaces.space import Space

_MOST_ROWS = 20

_MOST_VALUES, _FIRST_VALUES = 6, 3

_LONGEST = 40

_ORDERED = ("int", "float")


class Row(NamedTuple):
    """A parameter, the dimensions that it varies along, and its values as text."""

    parameter: str
    dimensions: str
    values: str


def html(space: Space) -> str:
    """Show the dimensions and parameters of a space."""
    rows = list(parameters(space))
    return markup.card(
        f"Space of {size(space)}",
        table(("parameter", "along", "values"), rows),
    )


def table(
    header: Sequence[str], rows: Sequence[Row], more: Callable[[str], Sequence[str]] = lambda _: ()
) -> markup.Markup:
    """Lay out parameters, each with what `more` says of its name."""
    shown = [(*row, *more(row.parameter)) for row in rows[:_MOST_ROWS]]
    left = len(rows) - len(shown)
    if not rows:
        return markup.line("no parameters")
    made = markup.table(header, shown)
    return markup.element("div", made, f"and {left:,} more parameters") if left else made


def parameters(space: Space) -> Iterator[Row]:
    """List the parameters, those of a dimension together, the derived ones last."""
    for dimension in space.dimensions:
        along = f"{dimension.name}: {dimension.size:,}"
        if not dimension.columns:
            yield Row(dimension.name, along, "")
        for column in dimension.columns:
            yield Row(column.name, along, _text(column))
    for name in space.derived:
        along = ", ".join(f"{dim}: {space.sizes[dim]:,}" for dim in space.dims_of(name))
        yield Row(name, along or "(all)", _text(space.columns[name]) or "derived")


def size(space: Space) -> str:
    """Say how many points there are; where that is not known yet, how many there are at most."""
    if space.predicates and "accepted" not in vars(space):
        return f"at most {_points(space.n_positions)}, some left out by where"
    n = len(space)
    sizes = " × ".join(f"{size:,}" for size in space.sizes.values())
    product = f" ({sizes})" if len(space.sizes) > 1 and not space.predicates else ""
    left_out = f", {space.n_positions - n:,} left out by where" if space.predicates else ""
    return f"{_points(n)}{product}{left_out}"


def _points(n: int) -> str:
    return f"{n:,} {'point' if n == 1 else 'points'}"


def _text(column: Column | Deferred) -> str:
    """Show values; of a derived parameter only if they have been computed."""
    if isinstance(column, Deferred) and "made" not in vars(column):
        return ""
    return values(column.table)


def values(table: Values) -> str:
    """Show all values, or of many the first ones and the last, or the range of those in no order.

    Examples
    --------
    >>> from sweeps import grid
    >>> values(grid(x=range(100)).columns["x"].table)
    '0, 1, 2, …, 99 (100 values)'
    """
    n = len(table)
    if n <= _MOST_VALUES:
        return ", ".join(_value(table.element(code)) for code in range(n))
    if table.kind in _ORDERED and not isinstance(table.array, range):
        low, high = table.array.min(), table.array.max()
        if table.array[-1] not in (low, high):  # drawn, or listed in an order of its own
            return f"from {_value(low.item())} to {_value(high.item())} ({n:,} values)"
    first = ", ".join(_value(table.element(code)) for code in range(_FIRST_VALUES))
    return f"{first}, …, {_value(table.element(n - 1))} ({n:,} values)"


def _value(element: Any) -> str:
    text = f"{element:.6g}" if isinstance(element, float) else label(element)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
