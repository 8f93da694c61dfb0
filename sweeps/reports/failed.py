"""Failed points, those that failed alike together."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from sweeps.outputs.failures import shortened
from sweeps.reports.places import Places

if TYPE_CHECKING:
    import xarray

MOST_GROUPS = 12

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


def alike(table: xarray.Dataset, found: Places) -> tuple[Alike, ...]:
    """Put points together that failed alike, the most frequent first.

    `table` is the group ``_sweeps/failures`` of a results file.
    """
    texts = table["texts"].values
    columns = [table[name].values for name in ("kind", "type", "traceback")]
    rows, first, which = np.unique(
        np.stack(columns, axis=1), axis=0, return_index=True, return_inverse=True
    )
    which = which.reshape(-1)  # numpy 2.0 gives it another shape
    counts = np.bincount(which, minlength=len(rows))
    made = []
    for number in sorted(range(len(rows)), key=lambda n: (-counts[n], first[n])):
        own = np.flatnonzero(which == number)
        messages = list(dict.fromkeys(table["message"].values[own].tolist()))
        kind, type_, traceback = (str(texts[n]) for n in rows[number])
        positions = table["position"].values[own[:_MOST_POINTS]].tolist()
        made.append(
            Alike(
                kind,
                type_,
                int(counts[number]),
                tuple(shortened(str(texts[n]), _MESSAGE) for n in messages[:_MOST_MESSAGES]),
                len(messages),
                shortened(traceback, _TRACEBACK).rstrip(),
                tuple((position, found.at(position)) for position in positions),
            )
        )
    return tuple(made)
