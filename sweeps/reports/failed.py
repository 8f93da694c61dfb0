"""Failed points, those that failed alike together."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sweeps.outputs.failures import shortened
from sweeps.reports.places import Places

if TYPE_CHECKING:
    import xarray

MOST_WAYS = 12

_MOST_POINTS, _MOST_MESSAGES = 5, 3

_MESSAGE, _TRACEBACK = 600, 6_000
"""Characters that are shown of a message and of a traceback."""


@dataclasses.dataclass(frozen=True)
class Alike:
    """Points that failed at the same place in the code.

    Attributes
    ----------
    messages : tuple of str
        The first different ones.
    points : tuple of (int, str)
        Position and parameters of the first ones.
    """

    kind: str
    type: str
    n_points: int
    messages: tuple[str, ...]
    n_messages: int
    traceback: str
    points: tuple[tuple[int, str], ...]


@dataclasses.dataclass(frozen=True)
class Failures:
    """The ways in which points failed.

    Attributes
    ----------
    ways : tuple of Alike
        The most frequent ones.
    n_ways : int
        All of them.
    """

    ways: tuple[Alike, ...] = ()
    n_ways: int = 0


def failures(table: xarray.Dataset, found: Places) -> Failures:
    """Put points together that failed alike, the most frequent first.

    `table` is the group ``_sweeps/failures`` of a results file.
    """
    texts = [str(text) for text in table["texts"].values]
    places: dict[str, int] = {}
    place_of = np.array([places.setdefault(_place(text), len(places)) for text in texts])
    columns = [table["kind"].values, table["type"].values, place_of[table["traceback"].values]]
    rows, first, which, counts = np.unique(
        np.stack(columns, axis=1),
        axis=0,
        return_index=True,
        return_inverse=True,
        return_counts=True,
    )
    which = which.reshape(-1)  # numpy 2.0 gives it another shape
    order = np.lexsort((first, -counts))[:MOST_WAYS]
    ways = (_alike(table, texts, np.flatnonzero(which == number), found) for number in order)
    return Failures(tuple(ways), len(rows))


def _place(traceback: str) -> str:
    """Return the lines of a traceback that say where; the others may hold a message."""
    return "\n".join(line for line in traceback.splitlines() if line.startswith('  File "'))


def _alike(
    table: xarray.Dataset, texts: Sequence[str], own: npt.NDArray[np.intp], found: Places
) -> Alike:
    def text(column: str) -> str:
        return texts[int(table[column].values[own[0]])]

    messages = list(dict.fromkeys(table["message"].values[own].tolist()))
    positions = table["position"].values[own[:_MOST_POINTS]].tolist()
    return Alike(
        text("kind"),
        text("type"),
        len(own),
        tuple(shortened(texts[n], _MESSAGE) for n in messages[:_MOST_MESSAGES]),
        len(messages),
        shortened(text("traceback"), _TRACEBACK).rstrip(),
        tuple((position, found.at(position)) for position in positions),
    )
