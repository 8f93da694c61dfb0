"""What points of a space took, as the memo knows it: of the present code, or else of earlier code.

Every attempt counts, whatever came of it: a point that fails after a second costs a second, and one
that was stopped after its timeout costs that. What the clock cannot tell does not count: of points
that killed their worker.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sweeps.costs.coordinates import Array
from sweeps.costs.forecast import places
from sweeps.memo import index as memo
from sweeps.memo import listing
from sweeps.memo.index import Index
from sweeps.spaces.keys import KeyMaker, Keys
from sweeps.spaces.product import Positions
from sweeps.storage import files

_MOST_LOOKED_UP = 2**15
"""Points of a space that are looked up, of which those known stand for all."""

_FEWEST = 8
"""Of so many points and more, others of other spaces tell nothing new."""

SAME, EARLIER, ELSEWHERE = 0.0, 0.2, 0.7
"""Deviation of the logarithm of what a point takes: now; with other code; with other parameters.

A guess for the latter two, and a wide one: nobody knows what a change of code does.
"""


@dataclasses.dataclass(frozen=True, eq=False)
class Known:
    """Points of a space, and what they took.

    Attributes
    ----------
    positions : numpy.ndarray
        Shape (n,), ascending.
    seconds : numpy.ndarray
        Shape (n,).
    doubt : float
        `SAME`, `EARLIER` or `ELSEWHERE`; of the last, the positions say nothing.
    """

    positions: Positions
    seconds: Array
    doubt: float = SAME

    @property
    def is_elsewhere(self) -> bool:
        """Whether they are points of other spaces, and only their seconds tell anything."""
        return self.doubt == ELSEWHERE

    def __len__(self) -> int:
        return len(self.positions)


NOTHING = Known(np.empty(0, dtype=np.int64), np.empty(0))


def before(make_keys: KeyMaker, index: Index, folder: Path) -> Known:
    """Look up what points took: of the present code, or else of earlier code, which is read now.

    Parameters
    ----------
    folder : Path
        Where the memo has what the present code computed; beside it is what earlier code did.
    """
    found = known(make_keys, index)
    if len(found) and found.doubt == SAME:
        return found
    return known(make_keys, index, earlier(folder))


def earlier(folder: Path) -> list[Index]:
    """Read what the memo knows of earlier code, the latest first."""
    found = [memo.scan(each) for each in files.beside(folder) if listing.listing(each)]
    return sorted(
        found, key=lambda each: max((s.created_ns for s in each.segments.values()), default=0)
    )[::-1]


def known(make_keys: KeyMaker, index: Index, earlier: Sequence[Index] = ()) -> Known:
    """Look up what points of a space took; of a large space, of some of its points.

    Parameters
    ----------
    make_keys : KeyMaker
        Of the present code.
    index : Index
        What the memo knows of that.
    earlier : sequence of Index
        What it knows of earlier code, the latest first.
    """
    space = make_keys.space
    numbers = places(len(space), _MOST_LOOKED_UP, np.random.default_rng(0))
    positions = numbers if space.accepted is None else space.accepted[numbers]
    own = make_keys(positions)
    for each, doubt in ((index, SAME), *((each, EARLIER) for each in earlier)):
        taken = _taken(each, own)
        found = np.flatnonzero(taken > 0)
        if len(found) >= min(_FEWEST, len(space)):
            return Known(positions[found], taken[found], doubt)
    elsewhere = [each for each in (index, *earlier) if each.parts]
    if not elsewhere:
        return NOTHING
    taken = _all_taken(elsewhere[0])
    taken = taken[taken > 0]
    return Known(np.zeros(len(taken), dtype=np.int64), taken, ELSEWHERE)


def _all_taken(index: Index) -> Array:
    return np.concatenate([np.empty(0), *(part.elapsed for part in index.parts)])


def _taken(index: Index, own: Keys) -> Array:
    """Seconds of each key, 0 where unknown."""
    taken = np.zeros(len(own))
    if index.parts:
        entries = index.find(own)
        is_done = entries >= 0
        taken[is_done] = _all_taken(index)[entries[is_done]]
    if index.failures:
        failed_s = np.array([each.elapsed_s for each in index.failures.values()])
        at = index.find_failed(own)
        has_failed = (at >= 0) & (taken == 0)
        taken[has_failed] = failed_s[at[has_failed]]
    return taken
