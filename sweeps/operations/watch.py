"""How far a sweep is, looked at again and again while runs go on anywhere; nothing is written."""

from __future__ import annotations

import dataclasses
import itertools
import math
import time
from collections.abc import Sequence
from typing import NamedTuple

from sweeps.memo import index as memo
from sweeps.memo import listing
from sweeps.operations import status
from sweeps.operations.status import Status
from sweeps.project.sweep import Sweep
from sweeps.results import adopt, state
from sweeps.storage import files

_SHARE = 20  # counting 10^6 points takes half a second: at most a twentieth of the time

_FEWEST_STEPS, _SHORTEST_S = 3, 3.0

_MOST_LOOKS = 400


class Left(NamedTuple):
    """Seconds until all points are over, and between which times they likely are.

    That is in 19 cases of 20 by the rate of late, and in 4 of 5 as a run predicts it of its points.
    """

    seconds: float
    low_s: float
    high_s: float


@dataclasses.dataclass(frozen=True)
class Look:
    """One look at a sweep.

    Attributes
    ----------
    rate : float or None
        Points that all runs together finish each second; None if no run goes on.
    left : Left or None
        None if it is not known yet.
    """

    status: Status
    rate: float | None
    left: Left | None

    @property
    def n_left(self) -> int:
        """Points that are neither done nor failed."""
        return self.status.missing + self.status.stale


class Watch:
    """Looks at a sweep; what it has read and counted is not read and counted again."""

    def __init__(self, made: Sweep) -> None:
        self._made = made
        self._earlier: Sequence[memo.Index] | None = None
        self._index: memo.Index | None = None
        self._counted: tuple[memo.Index, Status] | None = None
        self._next_count_s = 0.0
        self._looks: list[tuple[float, int]] = []
        self._runs: set[tuple[str, int, str]] = set()
        self._slowest_s = 0.0

    def look(self) -> Look:
        """Look how far the sweep is."""
        now, found = time.monotonic(), self._status()
        runs = {(run.host, run.pid, run.started) for run in found.running}
        n_over = found.done + found.failed
        if runs != self._runs or (self._looks and n_over < self._looks[-1][1]):
            self._looks, self._runs = [], runs  # another rate from now on
        self._looks.append((now, n_over))
        if len(self._looks) > _MOST_LOOKS:
            del self._looks[1::2]
        if not runs:
            return Look(found, None, None)
        under_way = (each.seconds for run in found.running for each in run.under_way[:1])
        self._slowest_s = max(self._slowest_s, *under_way, 0.0)
        n_workers = max(1, sum(run.workers for run in found.running))
        left = left_s(self._looks, found.missing + found.stale, n_workers, self._slowest_s)
        rate = sum(run.rate for run in found.running)
        if left is not None:
            (first_s, first), (last_s, last) = self._looks[0], self._looks[-1]
            rate = (last - first) / (last_s - first_s)
        return Look(found, rate, _told(found) or left)

    def _status(self) -> Status:
        held = state.held_attributes(self._made.landed)
        if (landed := state.whole(self._made, held)) is not None:
            return status.of_file(self._made, landed)
        if self._earlier is None:
            beside = files.beside(self._made.memo)
            self._earlier = [memo.scan(p) for p in beside if listing.listing(p)]
        self._index = adopt.scan(self._made, held, self._index)
        begun = time.monotonic()
        if self._counted is None or (
            self._counted[0] is not self._index and begun >= self._next_count_s
        ):
            found = status.of_index(self._made, held, self._index, self._earlier)
            self._counted = self._index, found
            took_s = time.monotonic() - begun
            self._next_count_s = begun + _SHARE * took_s
            return found
        return self._guessed(*self._counted, self._index)

    def _guessed(self, counted: memo.Index, then: Status, now: memo.Index) -> Status:
        """Take points that were stored since for new ones of this space, until the next count."""
        n_new = max(0, _n_stored(now) - _n_stored(counted)) if now is not counted else 0
        n_missing = min(n_new, then.missing)
        n_stale = min(n_new - n_missing, then.stale)
        going_on, silent = status.runs(self._made)
        return dataclasses.replace(
            then,
            done=then.done + n_missing + n_stale,
            missing=then.missing - n_missing,
            stale=then.stale - n_stale,
            known=then.known + n_new,
            running=going_on,
            silent=silent,
        )


def _told(found: Status) -> Left | None:
    """What the only run says of itself, which computes all that is left, and knows its points."""
    if len(found.running) != 1:
        return None
    (run,) = found.running
    if run.left_s is None or run.left_range_s is None:
        return None
    computes_all = run.points - run.over >= found.missing + found.stale
    return Left(run.left_s, *run.left_range_s) if computes_all else None


def _n_stored(index: memo.Index) -> int:
    return int(index.starts[-1])


def left_s(
    looks: Sequence[tuple[float, int]], n_left: int, n_workers: int = 1, slowest_s: float = 0.0
) -> Left | None:
    """Estimate when points that are left will be over, if they take what the others took.

    Parameters
    ----------
    looks : sequence of (float, int)
        Times in seconds, and how many points were over.
    n_left : int
    n_workers : int
        Of all runs together.
    slowest_s : float
        What the slowest point took that was seen; 0 if none was.

    Returns
    -------
    Left or None
        None where too little is known.

    Notes
    -----
    Points are taken for a renewal process with the rate r, and the variance v of the number of
    points a second. Until n more points are over, T = n / r pass on average; with a variance of
    (v / r²) (T + T² / t), where the second term is that of r, which is known from a time t.
    At the end, w workers wait for the last one: a point takes w / r, and the longest of so many
    takes 1 + 1/2 + ... + 1/w times as much where times are exponential, and the same where all are
    equal. A slow point may come last.
    """
    steps = [(b - a, n - m) for (a, m), (b, n) in itertools.pairwise(looks) if b > a]
    passed_s = sum(seconds for seconds, _ in steps)
    n_steps = sum(n > 0 for _, n in steps)
    if n_steps < _FEWEST_STEPS or passed_s < _SHORTEST_S:
        return None
    rate = sum(n for _, n in steps) / passed_s
    variance = sum((n - rate * seconds) ** 2 / seconds for seconds, n in steps) / (len(steps) - 1)
    mean_s, n_last = n_left / rate, min(n_left, n_workers)
    last_s = n_workers / rate * sum(1 / k for k in range(2, n_last + 1))
    spread_s = math.sqrt(variance * (mean_s + mean_s**2 / passed_s)) / rate
    n_free = n_steps - 1
    quantile = 1.96 + 2.4 / n_free + 4 / n_free**2  # of Student's t, within 4 %
    factor = 1 + quantile * spread_s / mean_s if mean_s else 1.0
    high_s = mean_s * factor + last_s + slowest_s * (n_left > 0)
    return Left(mean_s + last_s / 2, mean_s / factor, high_s)
