"""What the rest of a sweep will cost in time and disk, by what known points took."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from sweeps import engines
from sweeps.costs import forecast, memory, storage
from sweeps.costs import known as costs_known
from sweeps.costs.expected import Expected
from sweeps.costs.forecast import Left
from sweeps.costs.known import EARLIER, ELSEWHERE, SAME
from sweeps.execution.plan import plan_run
from sweeps.memo import index as memo
from sweeps.project.sweep import Sweep
from sweeps.spaces.product import Positions, written
from sweeps.text import count, duration, size

_MOST_LOOKED_UP, _FEWEST = 2**15, 500
"""Points of a large space that are looked up; if fewer of these are left, all are looked up."""

_SHORT_S = 2.0
"""Shorter times are mostly those of the start of workers, of which nothing is known."""

_BASIS = {
    SAME: "",
    EARLIER: " of earlier code",
    ELSEWHERE: " with other parameters",
}


@dataclasses.dataclass(frozen=True)
class Prediction:
    """What points that are left will cost.

    Attributes
    ----------
    left : Left
        Seconds until all are finished, with the workers below.
    work : Left
        Seconds that they take one after the other.
    workers : int
    n_known : int
        Points that it is known from.
    basis : {"", " of earlier code", " with other parameters"}
        What is particular about these.
    disk_bytes : int or None
        For stored results and results file together; None if unknown.
    memory_bytes : int or None
        The most that a worker has had in a run that took a while; None if unknown.
    """

    left: Left
    work: Left
    workers: int
    n_known: int
    basis: str
    disk_bytes: int | None
    memory_bytes: int | None

    def __str__(self) -> str:
        by = f"by {count(self.n_known, 'known point')}{self.basis}"
        on = f"on {count(self.workers, 'worker')}"
        if self.left.high_s < _SHORT_S:
            said = f"less than {duration(_SHORT_S)} {on}, {by}"
        else:
            low, high = map(duration, self.left[1:])
            said = f"about {duration(self.left.seconds)} {on} (likely {low} to {high}), {by}"
        told = [f"time: {said}"]
        if self.disk_bytes is not None:
            told.append(f"disk: about {size(self.disk_bytes)}")
        if self.memory_bytes is not None:
            told.append(f"memory: {size(self.memory_bytes)} a worker, the most so far")
        return "\n".join(told)

    def data(self) -> dict[str, Any]:
        """What ``--json`` says of it."""
        times = {"left": self.left._asdict(), "work": self.work._asdict()}
        return {**vars(self), **times, "basis": self.basis.strip()}


def predict(
    made: Sweep,
    index: memo.Index,
    n_left: int,
    *,
    recompute: bool = False,
    n_workers: int | None = None,
) -> Prediction | None:
    """Predict what the points that a run would compute will cost; None if nothing is known.

    Parameters
    ----------
    index : Index
        What the memo knows of the present code.
    n_left : int
        How many points these are.
    """
    if not n_left:
        return None
    known = costs_known.known(made.keys, index)
    earlier: list[memo.Index] = []
    if known.doubt != SAME or not len(known):
        earlier = costs_known.earlier(made.memo)
        known = costs_known.known(made.keys, index, earlier)
    if not len(known):
        return None
    experiment = made.experiment
    expected = Expected(made.keys.space, known, experiment.timeout)
    carrier = engines.get("loky")
    workers = max(1, min(carrier.n_workers(n_workers), n_left))
    left, share = _left(made, index, recompute=recompute)
    work = expected.work(left).times(share)
    taken = expected.left(left, workers * experiment.concurrency).times(share)
    disk = next(filter(None, (storage.bytes_of(n_left, i) for i in (index, *earlier))), None)
    peak = next(filter(None, (memory.known(each.folder) for each in (index, *earlier))), None)
    return Prediction(taken, work, workers, len(known), _BASIS[known.doubt], disk, peak)


def _left(made: Sweep, index: memo.Index, *, recompute: bool) -> tuple[Positions, float]:
    """Points that a run would compute, or of a large space some; and for how many each stands."""
    space = made.keys.space
    if len(space) > _MOST_LOOKED_UP:
        chance = np.random.default_rng(1)
        numbers = forecast.places(len(space), _MOST_LOOKED_UP, chance)
        positions = numbers if space.accepted is None else space.accepted[numbers]
        if not recompute:
            positions = positions[index.find(made.keys(positions)) < 0]
        if len(positions) >= _FEWEST:
            return positions, len(space) / len(numbers)
    todo = plan_run(made, index, recompute=recompute, keep=True).todo
    return np.concatenate([np.empty(0, dtype=np.int64), *map(written, todo)]), 1.0
