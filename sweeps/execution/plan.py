"""Which points of an experiment the memo lacks, and in which blocks to compute them.

Functions of keys say what is known.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sweeps.declaration.experiment import Experiment
from sweeps.engines import Block
from sweeps.execution.options import EVERY, Retry
from sweeps.memo import index as memo
from sweeps.memo import listing
from sweeps.project.sweep import Sweep
from sweeps.spaces import keys
from sweeps.spaces.keys import MIN_PRODUCT, STEP, KeyMaker, Keys
from sweeps.spaces.product import ABSENT, Places, shortened, written
from sweeps.spaces.space import Space
from sweeps.storage import files

if TYPE_CHECKING:
    from sweeps.costs.course import Course
    from sweeps.execution.scheduler import Claim

Find = Callable[[Keys], npt.NDArray[np.int64]]
"""Keys of shape (n, 2) to entries of shape (n,), -1 where unknown."""

IsDue = Callable[[Keys], npt.NDArray[np.bool_]]
"""Keys of shape (n, 2) to shape (n,)."""

_MOST_TOLD = 2**16  # points whose times are looked at


_ROWS = 8
"""Rows of a grid that a block has at least, if it is cut to whole rows."""


@dataclasses.dataclass(frozen=True, eq=False)
class Points:
    """The points of a run, and where their values go."""

    experiment: Experiment
    keys: KeyMaker
    memo: Path


@dataclasses.dataclass(frozen=True, eq=False)
class Plan:
    """What a run would do.

    Attributes
    ----------
    n_points, n_excluded : int
        Points of the space, or of a part of it, and places of its product that ``where`` excludes.
    n_reused, n_missing, n_failed, n_stale : int
        They add up to `n_points`: finished; never computed; failed before; computed by earlier
        code only.
    todo : tuple of Places
        Positions to compute, ascending, in pieces of at most `STEP`.
    n_left : int
        Failed points that are left as they are.
    """

    n_points: int
    n_excluded: int
    n_reused: int
    n_missing: int
    n_failed: int
    n_stale: int
    todo: tuple[Places, ...]
    n_left: int = 0


def partition(
    make_keys: KeyMaker,
    find_done: Find | None,
    find_failed: Find | None,
    find_stale: Find | None,
    *,
    is_done: npt.NDArray[np.bool_] | None = None,
    is_due: IsDue | None = None,
    keep: bool = True,
    runs: Sequence[range] | None = None,
) -> Plan:
    """Find the points to compute.

    Parameters
    ----------
    make_keys : KeyMaker
    find_done, find_failed, find_stale : callable or None
        What the memo knows: of this code, and of earlier code; None where it knows nothing.
    is_done : numpy.ndarray, optional
        In the place of `find_done`, shape (n_positions,).
    is_due : callable, optional
        Which points without values are computed; by default all.
    keep : bool
        Whether to list the points to compute, or count only.
    runs : sequence of range, optional
        The numbers of the points to look at, ascending; by default all.
    """
    space = make_keys.space
    runs = [range(len(space))] if runs is None else runs
    n_points = sum(map(len, runs))
    n_reused = n_failed = n_stale = n_left = 0
    todo: list[Places] = []
    is_blank = is_done is None and not (find_done or find_failed or find_stale)
    if is_blank and space.accepted is None and all(d.is_first is None for d in space.dimensions):
        todo, keep = list(_steps(runs)) if keep else [], False
    for run in () if is_blank and not keep else _steps(runs):
        positions = space.positions(run.start, run.stop)
        n_seen = len(positions)
        if is_done is not None:
            positions = positions[~is_done[positions]]
        if find_done or find_failed or find_stale:
            own = make_keys(positions)
            unknown = ~_is_known(find_done, own)
            positions, own = positions[unknown], own[unknown]
            has_failed = _is_known(find_failed, own)
            n_reused += n_seen - len(own)
            n_failed += int(has_failed.sum())
            n_stale += int((_is_known(find_stale, own) & ~has_failed).sum())
            if is_due is not None:
                due = is_due(own)
                n_left += int((has_failed & ~due).sum())
                positions = positions[due]
        else:
            n_reused += n_seen - len(positions)
        if keep:
            is_first = space.is_first(positions)  # equal points of a sample are computed once
            positions = positions if is_first is None else positions[is_first]
            todo += [shortened(positions)] if positions.size else []
    return Plan(
        n_points,
        space.n_positions - len(space),
        n_reused,
        n_points - n_reused - n_failed - n_stale,
        n_failed,
        n_stale,
        tuple(todo),
        n_left,
    )


def _steps(runs: Iterable[range]) -> Iterator[range]:
    for run in runs:
        for start in range(run.start, run.stop, STEP):
            yield range(start, min(start + STEP, run.stop))


def _is_known(find: Find | None, own: Keys) -> npt.NDArray[np.bool_]:
    return find(own) >= 0 if find and len(own) else np.zeros(len(own), dtype=bool)


def cut(
    make_keys: KeyMaker, positions: Places, number: int, attempts: Find | None
) -> Iterator[Block]:
    """Make blocks of the points at `positions`, which are ascending, numbered from `number` on.

    The points of a block have the same parameters; and they are in a row where that makes it
    possible to store their keys as products.
    """
    before = None if attempts is None else attempts(make_keys(written(positions)))
    runs = _long_runs(positions)
    parts = (part for run in runs for part in _alike_in(make_keys.space, positions, run))
    for offset, part in enumerate(parts):
        own = None if before is None or not before[part].any() else before[part]
        yield Block(number + offset, shortened(positions[part]), own)


def _long_runs(positions: Places) -> Iterator[slice]:
    """Cut points into those in a row, where these are many."""
    if isinstance(positions, range):
        yield slice(0, len(positions))
        return
    gaps = np.flatnonzero(np.diff(positions) != 1) + 1
    is_worth_it = len(positions) >= MIN_PRODUCT * (len(gaps) + 1)
    edges = [0, *(gaps.tolist() if is_worth_it else ()), len(positions)]
    yield from (slice(a, b) for a, b in itertools.pairwise(edges))


def _alike_in(space: Space, positions: Places, run: slice) -> Iterator[slice]:
    for part in alike(space, positions[run]):
        start, stop, _ = part.indices(run.stop - run.start)
        yield slice(run.start + start, run.start + stop)


def alike(space: Space, positions: Places) -> Iterator[slice]:
    """Cut a run of points into slices whose points have the same parameters."""
    if not any(column.has_gaps for column in space.columns.values()):
        yield slice(None)
        return
    absent = [codes == ABSENT for codes in space.codes(written(positions)).values()]
    pattern = np.stack(absent, axis=1)
    changes = np.flatnonzero((pattern[1:] != pattern[:-1]).any(axis=1)) + 1
    edges = [0, *changes.tolist(), len(pattern)]
    yield from (slice(a, b) for a, b in itertools.pairwise(edges))


def in_whole_rows(space: Space, claim: Claim) -> Claim:
    """Have what is claimed of a grid end with a row, so that its keys are fewer products.

    A segment of 10^6 points in a row has five parts, each of which takes 2 ms to write and read.
    """
    sizes = [dimension.size for dimension in space.dimensions]
    rows = [math.prod(sizes[n:]) for n in range(1, len(sizes))]

    def take(positions: Places, n: int) -> tuple[Places, Places, Places]:
        if isinstance(positions, range):
            row = max((each for each in rows if _ROWS * each <= n), default=1)
            n = (positions.start + n) // row * row - positions.start
        return claim(positions, n)

    return take


def first(pieces: Iterable[Places], limit: int | None) -> list[Places]:
    """Take the first so many points, or all."""
    if limit is None:
        return list(pieces)
    kept: list[Places] = []
    for piece in pieces:
        kept.append(piece[:limit])
        limit -= len(kept[-1])
    return [piece for piece in kept if len(piece)]


def plan_run(
    sweep: Sweep,
    index: memo.Index,
    *,
    recompute: bool = False,
    retry: Retry = EVERY,
    keep: bool = False,
    earlier: Sequence[memo.Index] | None = None,
    runs: Sequence[range] | None = None,
) -> Plan:
    """Compare an experiment's points with what the memo knows of this and of earlier code.

    With `keep`, points to compute are listed; what earlier code knows of them is not looked up.
    `earlier` is what earlier code knows, for those who have read it already. `runs` are the numbers
    of the points to look at, if these are not all.
    """
    keys.check(sweep.experiment)
    others = [p for p in files.beside(sweep.memo) if listing.listing(p)] if not keep else []

    @functools.cache
    def indexes() -> Sequence[memo.Index]:
        return earlier if earlier is not None else [memo.scan(p) for p in others]

    def find_stale(keys: Any) -> Any:
        return functools.reduce(np.maximum, [other.find(keys) for other in indexes()])

    def find_failed(keys: Any) -> Any:
        found = index.find_failed(keys)
        # Points with values are asked for only here: the values count more than a failure.
        return np.where(index.find(keys) < 0, found, -1) if recompute else found

    again = functools.cache(lambda: retry.again(index))

    def is_due(keys: Keys) -> npt.NDArray[np.bool_]:
        found: npt.NDArray[np.int64] = find_failed(keys)
        due = again()[found]  # -1 is the last one
        return due if retry.is_all else due | (found < 0)

    is_done = None if recompute else memo.done(sweep.keys, index, runs)
    return partition(
        sweep.keys,
        index.find if index.parts and is_done is None and not recompute else None,
        find_failed if index.failures or retry.is_all else None,
        find_stale if (others if earlier is None else earlier) else None,
        is_done=is_done,
        is_due=None if retry == EVERY else is_due,
        keep=keep,
        runs=runs,
    )


def tries(index: memo.Index) -> Find:
    """Make the function that says how often points failed, shape (n,)."""
    attempts = np.array([0, *(failure.attempts for failure in index.failures.values())])
    return lambda keys: attempts[1 + index.find_failed(keys)]


def mean_s(index: memo.Index) -> float:
    """Return what known points took on average, as some of each part tell; 0 where none is known.

    All of 10^7 points would take 10 ms.
    """
    n_known = int(index.starts[-1])
    some = [part.elapsed[:: 1 + n_known // _MOST_TOLD] for part in index.parts]
    each = zip(index.parts, some, strict=True)
    taken = sum(len(part) * float(own.sum()) / len(own) for part, own in each if len(own))
    return taken / max(1, n_known)


def begin_course(
    points: Points, index: memo.Index, n_at_once: int, *, is_free: bool
) -> Callable[[int], Course] | None:
    """Make the function that makes what learns from points which should come next.

    None where a worker takes many points together anyway. With `is_free`, points may come in any
    order.
    """
    made = points.experiment
    if made.concurrency > 1 or made.vectorized:
        return None

    def begin(n_points: int) -> Course:
        from sweeps.costs import course, known  # which runs of cheap points do not need

        before = known.before(points.keys, index, points.memo)
        space = points.keys.space
        return course.Course(space, n_points, n_at_once, before, made.timeout, is_free=is_free)

    return begin
