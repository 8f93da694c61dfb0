"""What points of a space are expected to take: each, and all that are left together."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

from sweeps.costs import forecast, model
from sweeps.costs.coordinates import Array
from sweeps.costs.forecast import Left
from sweeps.costs.known import Known
from sweeps.costs.model import Mixture
from sweeps.spaces.product import Positions
from sweeps.spaces.space import Space

MOST_POINTS = 2**16
"""Points each of which is looked at; beyond that, some stand for all."""

_WORTH = 0.02
"""Of the time that is left: a point that takes longer than this should not come last."""


_AGAIN = 0.1
"""Deviation of the logarithm of what all take together at another time on the same machine."""


@dataclasses.dataclass(frozen=True, eq=False)
class Expected:
    """What is expected of points, by what is known.

    Attributes
    ----------
    space : Space
    known : Known
        At least one point.
    timeout : float or None
        Seconds after which a point is stopped.
    """

    space: Space
    known: Known
    timeout: float | None = None

    @functools.cached_property
    def mixture(self) -> Mixture:
        """The models; made when they are first needed."""
        return model.fit(self.space, self.known.positions, self.known.seconds)

    def measured(self, positions: Positions) -> Array:
        """Seconds that points took when they were computed before, shape (n,); 0 if never."""
        if self.known.is_elsewhere:
            return np.zeros(len(positions))
        at = np.searchsorted(self.known.positions, positions)
        at = np.minimum(at, len(self.known) - 1)
        is_same = self.known.positions[at] == positions
        return np.where(is_same, self.known.seconds[at], 0.0)

    def seconds(self, positions: Positions) -> Array:
        """Seconds that each point likely takes, shape (n,): as before, or as the models say."""
        found = self.measured(positions)
        new = np.flatnonzero(found == 0)
        if len(new):
            found[new] = np.exp(self.mixture.log_s(positions[new]))
        return np.minimum(found, np.inf if self.timeout is None else self.timeout)

    def work(self, positions: Positions) -> Left:
        """Predict what points take together, one after the other."""
        chance = np.random.default_rng(len(positions))
        some = positions[forecast.places(len(positions), MOST_POINTS, chance)]
        found = self.measured(some)
        is_new = found == 0
        share = len(positions) / max(1, len(some))
        drawn = np.full(forecast.N_DRAWS, float(found.sum()) * share)
        if is_new.any():
            n_new = int(is_new.sum() * share)
            drawn = drawn + forecast.draws(self.mixture, some[is_new], n_new, self.timeout)
        doubts = np.exp(max(self.known.doubt, _AGAIN) * chance.standard_normal(len(drawn)))
        return forecast.left(drawn * doubts)

    def left(self, positions: Positions, n_at_once: int) -> Left:
        """Predict how long points take where so many are under way at once."""
        if not len(positions):
            return Left(0.0, 0.0, 0.0)
        work = self.work(positions)
        chance = np.random.default_rng(0)
        some = positions[forecast.places(len(positions), MOST_POINTS, chance)]
        longest_s = float(self.seconds(some).max())
        return Left(*(max(each / n_at_once, longest_s * each / work.seconds) for each in work))


def longest_first(seconds: Array, n_at_once: int) -> Positions | None:
    """Order points so that the longest come first; None where that saves no time.

    What is begun last may keep one worker busy alone, for as long as it takes. So it is worth
    it only where some points take a good part of all the time that is left.

    Examples
    --------
    >>> longest_first(np.array([1.0, 5.0, 2.0]), 2)
    array([1, 2, 0])
    >>> longest_first(np.ones(10_000), 2) is None
    True
    """
    if n_at_once < 2 or len(seconds) <= n_at_once:
        return None
    longest, shortest = float(seconds.max()), float(seconds.min())
    if longest < _WORTH * float(seconds.sum()) / n_at_once or longest < 1.1 * shortest:
        return None
    return np.argsort(-seconds, kind="stable")
