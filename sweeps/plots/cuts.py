"""Where a picture cuts a space, which values it picks, and how it says so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sweeps.plots.content import Content
from sweeps.plots.words import listed, value_text


def middle(dims: Sequence[str], sizes: dict[str, int]) -> tuple[tuple[str, int], ...]:
    """Cut dimensions at the middle."""
    return tuple((dim, sizes[dim] // 2) for dim in dims)


def notes(content: Content, dims: Sequence[str], sizes: dict[str, int]) -> tuple[str, ...]:
    """Say at which values a picture cuts the space."""
    at = [(dim, sizes[dim] // 2) for dim in dims]
    said = [f"{name} = {text}" for dim, i in at for name, text in _values_at(content, dim, i)]
    is_cut = any(sizes[dim] > 1 for dim in dims)
    return (("a slice at " if is_cut else "at ") + listed(said),) if said else ()


def _values_at(content: Content, dim: str, position: int) -> list[tuple[str, str]]:
    names: Any = content.lists.get(dim, (dim,))
    return [(name, value_text(content.dataset[name], position)) for name in names]


def pick(
    content: Content, dim: str | None, sizes: dict[str, int], most: int
) -> tuple[tuple[tuple[str, tuple[int, ...]], ...], tuple[str, ...]]:
    """Choose some values of a dimension that has too many, evenly, from the first to the last."""
    if dim is None or sizes.get(dim, 0) <= most:
        return (), ()
    chosen = tuple(int(i) for i in np.linspace(0, sizes[dim] - 1, most).round())
    return ((dim, chosen),), (f"{most} of {sizes[dim]:,} values of {dim}",)
