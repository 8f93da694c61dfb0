"""The course of one run: which points it should begin next, and how long the rest takes.

At first nothing is known. So points come from all over the space, until they tell what the others
take; then the longest come first, where that saves time. It is asked only where points take long.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sweeps.costs import expected as costs
from sweeps.costs import forecast
from sweeps.costs.coordinates import Array
from sweeps.costs.expected import Expected
from sweeps.costs.forecast import Left
from sweeps.costs.known import EARLIER, ELSEWHERE, SAME, Known
from sweeps.spaces.product import Positions
from sweeps.spaces.space import Space

_SHARE = 0.05
"""Of the points, so many tell what the others take."""

_FEWEST, _MOST = 12, 160
"""But no fewer, and no more."""

_SOME = 8
"""Of points that took no time each, so many of a block are noted."""


class Order(NamedTuple):
    """In which order to begin points.

    Attributes
    ----------
    pieces : list of numpy.ndarray
        All of the points.
    n_probes : int
        So many of the pieces, the first ones, are to be begun each by itself.
    """

    pieces: list[Positions]
    n_probes: int = 0


class Course:
    """What a run has learned of its points.

    Parameters
    ----------
    space : Space
    n_todo : int
        Points to compute.
    n_at_once : int
        Points that are under way at the same time.
    before : Known
        From before the run.
    timeout : float or None
    is_free : bool
        Whether points may be begun in any order.
    """

    def __init__(
        self,
        space: Space,
        n_todo: int,
        n_at_once: int,
        before: Known,
        timeout: float | None = None,
        *,
        is_free: bool = True,
    ) -> None:
        self._space, self._n_at_once, self._timeout = space, n_at_once, timeout
        self._is_free = is_free
        self._before = before
        self._at: list[Positions] = []
        self._s: list[Array] = []
        self._n_noted = 0
        self._n_enough = int(np.clip(_SHARE * n_todo, _FEWEST, _MOST))
        self._next_look, self._has_probed = 0, False
        self._view: _View | None = None
        self.is_ordered = False

    def note(self, positions: Positions, elapsed: npt.ArrayLike | None, busy_s: float) -> None:
        """Take in some finished points, ascending, and what they took: each, or all together."""
        self.drop(positions)
        self._n_noted += len(positions)
        if elapsed is None:  # of many together, some stand for all
            taken = np.full(len(positions), busy_s / len(positions))
            some = np.linspace(0, len(positions) - 1, min(_SOME, len(positions))).astype(np.int64)
            positions, taken = positions[some], taken[some]
        else:
            taken = np.asarray(elapsed, dtype=np.float64)
        self._at.append(positions)
        self._s.append(taken)

    def drop(self, positions: Positions) -> None:
        """Leave out points, as others compute them or they are over."""
        if self._view is not None:
            self._view.drop(positions)

    @property
    def is_due(self) -> bool:
        """Whether it is time to look at what is left."""
        return self._n_noted >= self._next_look

    def look(self, pending: Positions, under_way: Positions) -> Order | None:
        """Look at what is left, and say in which order to begin it; None for any.

        Parameters
        ----------
        pending, under_way : numpy.ndarray
            Positions of the points that are not begun, and that are, ascending.
        """
        known = self._known()
        n_more = 0 if self._has_probed else self._n_enough - len(self._before)
        self._has_probed = True
        if n_more > 0 and self._is_free and not self._before.is_elsewhere and len(pending):
            n_more = min(max(n_more - self._n_noted, _FEWEST), len(pending))
            self._next_look = self._n_noted + n_more
            return self._probes(pending, n_more)
        if not len(known) or not len(pending):
            return None
        self._next_look = self._n_noted + max(self._n_noted, self._n_enough)
        expected = Expected(self._space, known, self._timeout)
        self._view = _View(expected, np.sort(np.append(pending, under_way)), self._n_at_once)
        if not self._is_free or len(pending) > costs.MOST_POINTS:
            return None
        order = costs.longest_first(self._view.seconds(pending), self._n_at_once)
        was_ordered, self.is_ordered = self.is_ordered, order is not None
        if order is None:
            return Order([pending]) if was_ordered else None
        return Order([pending[order]])

    def n_within(self, positions: Positions, seconds: float) -> int:
        """How many of the first points take so many seconds together, at least one."""
        if self._view is None or not self.is_ordered:
            return len(positions)
        passed = np.cumsum(self._view.seconds(positions))
        return max(1, int(np.searchsorted(passed, seconds, side="right")))

    def left(self, under_way: Positions, n_left: int) -> Left | None:
        """Seconds until all is over; None if unknown.

        On average, half of what is under way is over.

        Parameters
        ----------
        under_way : numpy.ndarray
        n_left : int
            Points that are not over. It counts: nobody notes a point that killed its worker.
        """
        return None if self._view is None else self._view.left(under_way, n_left)

    def _probes(self, pending: Positions, n_more: int) -> Order:
        """Begin with some points from all over the space, one by one."""
        chance = np.random.default_rng(len(pending))
        at = forecast.places(len(pending), n_more, chance)
        probes = list(pending[chance.permutation(at)][:, np.newaxis])
        return Order([*probes, np.delete(pending, at)], len(probes))

    def _known(self) -> Known:
        """Put together what was known before and what was learned since."""
        before = self._before
        if not self._n_noted:
            return before
        positions, seconds = np.concatenate(self._at), np.concatenate(self._s)
        positions, first = np.unique(positions, return_index=True)
        noted = Known(positions, seconds[first])
        if not len(before) or before.doubt == ELSEWHERE:
            return noted
        old_s = before.seconds
        if before.doubt == EARLIER:
            both, here, there = np.intersect1d(
                positions, before.positions, assume_unique=True, return_indices=True
            )
            if len(both) < min(_FEWEST, len(before)):
                return before
            factors = noted.seconds[here] / np.maximum(old_s[there], 1e-9)
            old_s = old_s * float(np.median(factors))
        every = np.append(positions, before.positions)
        every, first = np.unique(every, return_index=True)
        return Known(every, np.append(noted.seconds, old_s)[first], SAME)


class _View:
    """What points that are left are expected to take, as seen at one time."""

    def __init__(self, expected: Expected, positions: Positions, n_at_once: int) -> None:
        self._positions, self._n_at_once = positions, n_at_once
        work = expected.work(positions)
        self._spread = work.times(1 / max(work.seconds, 1e-9))
        if len(positions) > costs.MOST_POINTS:
            self._seconds = np.full(len(positions), work.seconds / len(positions))
        else:
            likely = expected.seconds(positions)
            # What they take together is more than the likeliest times of each.
            self._seconds = likely * (work.seconds / max(float(likely.sum()), 1e-9))
        self._is_left = np.ones(len(positions), dtype=bool)
        self._left_s = float(self._seconds.sum())

    def _where(self, positions: Positions) -> tuple[Positions, Array]:
        at = np.searchsorted(self._positions, positions)
        at = np.minimum(at, len(self._positions) - 1)
        return at, (self._positions[at] == positions).astype(np.float64)

    def seconds(self, positions: Positions) -> Array:
        """Seconds of each point, shape (n,); 0 of one that was over by then."""
        at, is_there = self._where(positions)
        return np.asarray(self._seconds[at] * is_there)

    def drop(self, positions: Positions) -> None:
        """Leave out points."""
        at, is_there = self._where(positions)
        at = at[(is_there > 0) & self._is_left[at]]
        self._is_left[at] = False
        self._left_s -= float(self._seconds[at].sum())

    def left(self, under_way: Positions, n_left: int) -> Left:
        """Seconds until all are over."""
        over_s = float(self.seconds(under_way).sum()) / 2
        share = min(1.0, n_left / max(1, int(self._is_left.sum())))
        left_s = max(self._left_s * share - over_s, 0.0) / self._n_at_once
        longest_s = float(self._seconds[self._is_left].max(initial=0.0))
        if n_left:  # at the end one worker is busy alone
            left_s = max(left_s, longest_s / 2 if len(under_way) else longest_s)
        return self._spread.times(left_s)
