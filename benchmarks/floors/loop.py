"""The floor of a user who keeps results in a list, and writes it in the end."""

from __future__ import annotations

from benchmarks import work
from benchmarks.floors.writing import write


def scalar(n_points: int, n_more: int = 0) -> None:
    """Compute all points in a list, one after the other."""
    values = [work.scalar(a, b, c) for a, b, c in work.points(n_points, n_more)]
    write(values, work.axes(n_points, n_more))
