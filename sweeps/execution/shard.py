"""Parts of a space that runs compute, and land nothing: shards, and what others leave free.

A shard depends on the space and on the number of shards only, never on what is known by then. So
together all shards have every point once, whenever each of them runs and however often.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import random
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from sweeps.errors import SweepsError
from sweeps.execution import plan
from sweeps.execution.compute import carry_out, start, told_of, unfinished
from sweeps.execution.options import Options, Report, Tally
from sweeps.memo import claims, merge
from sweeps.memo import index as memo
from sweeps.progress import presence
from sweeps.progress.show import Progress, Watch
from sweeps.project.sweep import Sweep
from sweeps.results import adopt
from sweeps.results.state import held_attributes
from sweeps.signals import Interruption
from sweeps.spaces.product import Places

N_RUNS = 16
"""Runs of points in a row that a shard consists of: costs often rise along a dimension, so they
are spread; and points in a row are stored as products of keys, so there are few."""

_PAUSE_S = 60.0  # between merges

_SHARE = 50

_chance = random.SystemRandom()  # points may seed the other one

_GIVE = "give K/N, with K from 0 to N-1, such as 2/8; auto; or auto/N"


@dataclasses.dataclass(frozen=True)
class Shard:
    """Shard `k` of `n`, counted from 0.

    Examples
    --------
    >>> Shard(1, 2).runs(5)
    [range(1, 2), range(2, 3)]
    >>> str(Shard(1, 2))
    '1/2'
    """

    k: int
    n: int

    def __post_init__(self) -> None:
        if not 0 <= self.k < self.n:
            raise SweepsError(f"there is no shard {self}: {_GIVE}")

    def __str__(self) -> str:
        return f"{self.k}/{self.n}"

    def runs(self, n_points: int) -> list[range]:
        """List which points of a space are in the shard, as numbers of points, ascending.

        The sizes of two shards differ by one point at most.
        """
        n_runs = min(N_RUNS * self.n, n_points)
        if not n_runs:
            return []
        size, n_longer = divmod(n_points, n_runs)
        found = []
        for first in range(0, n_runs, self.n):
            # Each time another shard comes first: else all runs of a shard are at the same place
            # along a dimension whose length is a multiple of theirs.
            number = first + (self.k + first // self.n) % self.n
            if number < n_runs:
                start = number * size + min(number, n_longer)
                found.append(range(start, start + size + (number < n_longer)))
        return found


def parse(text: str, environment: Mapping[str, str] = os.environ) -> Shard:
    """Read ``K/N``, ``auto`` or ``auto/N``.

    Parameters
    ----------
    environment : mapping
        Where a batch system says which task of how many this is. For ``auto/N`` it need only
        say which, counted as the system does by itself: most from 0, SGE and LSF from 1.

    Examples
    --------
    >>> parse("2/8")
    Shard(k=2, n=8)
    >>> parse("auto/8", {"PBS_ARRAY_INDEX": "3"})
    Shard(k=3, n=8)
    """
    if text == "auto":
        return _of_tasks(environment)
    found = re.fullmatch(r"(auto|[0-9]+)/([1-9][0-9]*)", text)
    if found is None:
        raise SweepsError(f"--shard {text}: {_GIVE}")
    if found[1] == "auto":
        return _of_number(int(found[2]), environment)
    return Shard(int(found[1]), int(found[2]))


# ---- what batch systems say


class _Array(NamedTuple):
    """Variables that tell of a job array: a task's number, and of all tasks the first and last."""

    number: str
    first: str
    last: str
    step: str
    outside: str  # what the number is where there is no array


_ARRAYS = (
    _Array(
        "SLURM_ARRAY_TASK_ID",
        "SLURM_ARRAY_TASK_MIN",
        "SLURM_ARRAY_TASK_MAX",
        "SLURM_ARRAY_TASK_STEP",
        outside="",
    ),
    _Array(
        "SGE_TASK_ID",
        "SGE_TASK_FIRST",
        "SGE_TASK_LAST",
        "SGE_TASK_STEPSIZE",
        outside="undefined",
    ),
    _Array("LSB_JOBINDEX", "", "LSB_JOBINDEX_END", "LSB_JOBINDEX_STEP", outside="0"),
)

_RANKS = {
    "OMPI_COMM_WORLD_RANK": "OMPI_COMM_WORLD_SIZE",
    "PMI_RANK": "PMI_SIZE",
    # After those of MPI, whose programs may be started by one process of Slurm on each node. And
    # not SLURM_NTASKS, which a batch script has, too: there it is one process.
    "SLURM_PROCID": "SLURM_STEP_NUM_TASKS",
}
"""Which process of how many this is."""

_NUMBERS = {
    "SLURM_ARRAY_TASK_ID": 0,
    "SGE_TASK_ID": 1,
    "LSB_JOBINDEX": 1,
    "PBS_ARRAY_INDEX": 0,
    "PBS_ARRAYID": 0,
    "JOB_COMPLETION_INDEX": 0,  # of Kubernetes
    "AWS_BATCH_JOB_ARRAY_INDEX": 0,
}
"""Which task this is, and the number of the first."""


def _of_tasks(environment: Mapping[str, str]) -> Shard:
    """Tell which process of which task this is; the processes of each task share its part."""
    array, rank = _of_array(environment), _of_rank(environment)
    if array is None and rank is None:
        known = next((name for name in _NUMBERS if _is_told(name, environment)), None)
        if known is not None:
            raise SweepsError(
                f"--shard auto: {known} does not say of how many tasks: give --shard auto/N"
            )
        raise _nowhere("auto", [*(each.number for each in _ARRAYS), *_RANKS])
    outer, inner = array or Shard(0, 1), rank or Shard(0, 1)
    return Shard(outer.k * inner.n + inner.k, outer.n * inner.n)


def _of_array(environment: Mapping[str, str]) -> Shard | None:
    told = (each for each in _ARRAYS if _is_told(each.number, environment))
    if (array := next(told, None)) is None:
        return None
    number, last = _number(array.number, environment), _number(array.last, environment)
    first = _number(array.first, environment, 1)
    step = max(1, _number(array.step, environment, 1))
    n = (last - first) // step + 1
    if n != _number("SLURM_ARRAY_TASK_COUNT", environment, n) or (number - first) % step:
        raise SweepsError(
            f"--shard auto: this array has some of the tasks {first} to {last} only: give "
            "--shard auto/N, where N is the number of tasks of the whole array, which begins at 0"
        )
    return Shard((number - first) // step, n)


def _of_rank(environment: Mapping[str, str]) -> Shard | None:
    for rank, size in _RANKS.items():
        if rank in environment and size in environment:
            return Shard(_number(rank, environment), _number(size, environment))
    return None


def _of_number(n: int, environment: Mapping[str, str]) -> Shard:
    for name, first in _NUMBERS.items():
        if _is_told(name, environment):
            k = _number(name, environment) - first
            if not 0 <= k < n:
                raise SweepsError(
                    f"--shard auto/{n}: {name} is {environment[name]}: start tasks "
                    f"{first} to {n - 1 + first}"
                )
            return Shard(k, n)
    if (rank := _of_rank(environment)) is not None:
        return Shard(rank.k, n)
    raise _nowhere(f"auto/{n}", [*_NUMBERS, *_RANKS])


def _is_told(name: str, environment: Mapping[str, str]) -> bool:
    outside = {each.number: each.outside for each in _ARRAYS}
    return environment.get(name, "") not in ("", outside.get(name))


def _number(name: str, environment: Mapping[str, str], otherwise: int | None = None) -> int:
    text = environment.get(name, "" if otherwise is None else str(otherwise))
    try:
        return int(text)
    except ValueError:
        raise SweepsError(f"--shard auto: {name} is {text!r}, and no number: {_GIVE}") from None


def _nowhere(given: str, names: list[str]) -> SweepsError:
    return SweepsError(
        f"--shard {given}: this is no task of a batch system, as none of {', '.join(names)} is "
        "set: give --shard K/N"
    )


def compute_part(
    sweep: Sweep,
    options: Options,
    watch: Watch | None,
    interruption: Interruption,
    runs: Sequence[range] | None,
) -> Report:
    """Compute points that the memo lacks; wait for no other run, and land nothing.

    Parameters
    ----------
    runs : sequence of range or None
        Numbers of the points to compute, of which other runs hear nothing; None to take what other
        runs leave free.
    """
    adopt.adopt(sweep, held_attributes(sweep.landed))
    with contextlib.ExitStack() as stack:
        others = None
        if runs is None or options.recompute:  # who recomputes claims nothing, and must be seen
            present = claims.Claims(sweep.memo, sweep.keys)
            stack.callback(present.close)
            others = present if runs is None else None
        index = memo.scan(sweep.memo, sets_aside=True)
        recompute, retry = options.recompute, options.retries
        todo = plan.plan_run(sweep, index, recompute=recompute, retry=retry, keep=True, runs=runs)
        missing = todo.todo if runs is not None else _from_somewhere(todo.todo)
        positions, tally = plan.first(missing, options.limit), Tally()
        if positions:
            dispatch = start(sweep, index, positions, options, others=others, waits=False)
            progress = Progress(n_todo=sum(map(len, positions)))
            between = _Merging(sweep.memo, index).if_due
            tally = carry_out(sweep, dispatch, progress, watch, interruption, between)
    if tally.error:
        raise unfinished(tally.error, tally)
    n_skipped = todo.n_missing if options.failed else 0
    n_todo = sum(map(len, todo.todo)) + todo.n_left + n_skipped
    return Report(
        experiment=sweep.experiment.name,
        n_points=todo.n_points,
        n_reused=todo.n_points - n_todo + tally.n_elsewhere,
        n_computed=tally.n_computed,
        n_failed=tally.n_failed + todo.n_left,
        n_excluded=todo.n_excluded,
        seconds=0.0,
        results=sweep.landed,
        fingerprint=sweep.fingerprint.digest,
        is_landed=False,
        is_interrupted=interruption.is_asked,
        warnings=(
            *(others.warnings if others is not None else ()),
            *told_of(sweep, index, positions, options, tally, interruption),
        ),
    )


class _Merging:
    """Merges small segments while a run goes on, as landings do; at most 2 % of its time.

    Otherwise 32 workers make a million files in four hours. Of all runs that go on, about one each
    minute merges: all see the same segments.
    """

    def __init__(self, folder: Path, index: memo.Index) -> None:
        self._folder, self._index = folder, index
        self._last, self._pause_s = time.perf_counter(), _PAUSE_S

    def if_due(self) -> None:
        """Merge if the last time is long enough ago, and it is our turn."""
        begun = time.perf_counter()
        if begun - self._last <= self._pause_s:
            return
        if _chance.random() * presence.n_beside(self._folder) < 1:
            with contextlib.suppress(SweepsError):  # whoever lands will say it
                self._index = merge.merge(memo.scan(self._folder, self._index))
        self._last = time.perf_counter()
        self._pause_s = max(_PAUSE_S, _SHARE * (self._last - begun))


def _from_somewhere(pieces: Sequence[Places]) -> list[Places]:
    """Begin amid some points, so that runs beside each other meet seldom; end with those before."""
    n_before = int(_chance.random() * sum(map(len, pieces)))
    before, after = [], []
    for piece in pieces:
        at = min(n_before, len(piece))
        before.append(piece[:at])
        after.append(piece[at:])
        n_before -= at
    return [piece for piece in (*after, *before) if len(piece)]
