"""Call the function at one point after the other, or at many at once, until time is over."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
import os
import time
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from sweeps.outputs.columns import SCALARS, size_bytes, snapshot
from sweeps.outputs.failures import Reason, raised, refused
from sweeps.outputs.file import ClashError, File, unfolded
from sweeps.outputs.shelf import BLOCK_BYTES
from sweeps.outputs.types import Variable
from sweeps.signals import Interrupted
from sweeps.spaces.product import Places
from sweeps.storage.pack_writer import Writer
from sweeps.worker import capture, memory_limit, scratch
from sweeps.worker.isolation.surroundings import SpoiledError, Surroundings, end_copy

# To ask what points printed past Python costs 0.5 us; to arm a timeout, 30 us; to look at what
# points did to their process, 10 to 20 us; to seed random numbers, 15 us.
NOTICEABLE_S = 100e-6  # ask after points that take longer
_TIMEOUT_SLACK = 0.01  # of the timeout, which a point gets beside it: not every point is armed for
_LOOK_S = 4e-3  # look no more often than this
_LONG_S = 10e-3  # seed before each point after one that took so long
_FIRST_LOOKS = 32  # points looked after one by one: most that change something do so at once
_CHEAP_S = 4e-6  # points that take less are called in runs, and their single times mean nothing
_PROVEN = 3  # stretches in a row, of NOTICEABLE_S and more, in which points were cheap

Piece = tuple[slice | Places, tuple[Variable, ...]]
"""Which points of a block, and their values."""


@runtime_checkable
class Rowed(Protocol):
    """Columns that make rows of themselves, as `sweeps.spaces.grid.Columns` does."""

    def rows(self, names: Sequence[str]) -> Iterator[tuple[Any, ...]] | None:
        """Values of one point after the other."""


@dataclasses.dataclass(frozen=True)
class Limits:
    """How long to go on, and how an output may be called."""

    block_s: float  # seconds after which nothing more is begun
    timeout: float | None  # seconds for a call
    name: str  # this and what follows as for `sweeps.outputs.point.outputs`
    dims: Mapping[str, tuple[str, ...]]
    taken: frozenset[str]
    surroundings: Surroundings | None = None  # of the process, to be restored
    # Gives the key of a point by its place in the block, from which its random numbers follow.
    key: Callable[[int], tuple[int, int]] | None = None
    # Process that the points are computed in; in another one, a copy, nothing goes on.
    pid: int = dataclasses.field(default_factory=os.getpid)
    units: Mapping[str, str] | None = None
    writer: Callable[[], Writer | None] = lambda: None  # for the files that points hand over


@dataclasses.dataclass(frozen=True, eq=False)
class Called:
    """What came of the points of a block that were begun, which are the first ones."""

    elapsed: npt.NDArray[np.float32]  # shape (n,), seconds
    busy_s: float  # what all of them took together
    failures: list[tuple[int, Reason]]  # by the point's place in the block
    # What the other points returned, in their order; or else columns of values, ascending.
    returned: list[Any] = dataclasses.field(default_factory=list)
    pieces: list[Piece] = dataclasses.field(default_factory=list)


def call_each(
    function: Callable[..., Any],
    given: Mapping[str, Any],
    columns: Mapping[str, Iterable[Any]],
    n_points: int,
    record: scratch.Recorder,
    limits: Limits,
) -> Called:
    """Call the function for one point after the other.

    `given` are the arguments that all points share, and `columns` those of each point.
    """
    timeout = limits.timeout
    call, names = _by_position(function, given, columns)
    make_rows = functools.partial(_rows, columns, names, n_points)
    start = last = rearm = time.perf_counter()
    end = start + limits.block_s
    done = Done([start])
    times, returned, failures = done.times, done.returned, done.failures
    looks = Looks(record, limits, done)
    room_bytes = BLOCK_BYTES
    at, clock = record.at, time.perf_counter
    next_look = min(end, looks.begin())
    next_note = min(next_look, start + NOTICEABLE_S)
    is_over, ahead = False, make_rows()
    while not is_over:
        cheap = _Cheap(done.n_points, last)
        is_over = True
        for i, row in enumerate(ahead, done.n_points):
            at[0] = i
            if timeout and last >= rearm:
                record.arm((1 + _TIMEOUT_SLACK) * timeout)
                rearm = last + _TIMEOUT_SLACK * timeout
            try:
                value = call(*row)
                if type(value) not in SCALARS:
                    if File.is_used:
                        value = unfolded(value, limits.writer())
                    value = snapshot(value)
                    room_bytes -= size_bytes(value)
                returned.append(value)
            except Interrupted:
                raise
            except ClashError as error:
                failures.append((i, refused(error)))
            except BaseException as error:  # SystemExit and KeyboardInterrupt are the point's too
                failures.append((i, failure(error, record, limits)))
            last = clock()
            times.append(last)
            if last >= next_note or room_bytes < 0:
                capture.over()
                if last >= next_look or room_bytes < 0:
                    if last >= end or room_bytes < 0 or i + 1 == n_points or looks.look():
                        break
                    next_look = min(end, looks.begin())
                if cheap.is_proven(i + 1, last) and not (timeout or looks.is_apart):
                    from sweeps.worker import in_runs  # which points that take a while do not need

                    fail = functools.partial(failure, record=record, limits=limits)
                    until = (next_look, end, NOTICEABLE_S)
                    due = in_runs.Due(call, ahead, n_points, *until, fail)
                    is_over, next_look, is_lost = in_runs.call(due, done, looks, record)
                    last = times[-1]
                    if is_lost:
                        ahead = itertools.islice(make_rows(), done.n_points, None)
                    next_note = min(next_look, last + NOTICEABLE_S)
                    break
                next_note = min(next_look, last + NOTICEABLE_S)
        if is_over and (looks.is_again or looks.look(is_last=True)):
            next_look = next_note = min(end, looks.begin_again())
            is_over, ahead = False, itertools.islice(make_rows(), done.n_points, None)
    elapsed, busy_s = done.elapsed(looks.seconds)
    return Called(elapsed, busy_s, failures, returned)


@dataclasses.dataclass(eq=False)
class Done:
    """What came of the points of a block so far.

    Attributes
    ----------
    times : list of float
        When the calls began, and when each of them ended.
    sizes : dict of int to int
        How many points a call was for, by its number, where it was for several.
    returned, failures
        As of `Called`.
    n_more : int
        Points beyond one in each call.
    """

    times: list[float]
    returned: list[Any] = dataclasses.field(default_factory=list)
    failures: list[tuple[int, Reason]] = dataclasses.field(default_factory=list)
    sizes: dict[int, int] = dataclasses.field(default_factory=dict)
    n_more: int = 0

    @property
    def n_points(self) -> int:
        """How many points were called."""
        return len(self.times) - 1 + self.n_more

    def mark(self) -> tuple[int, int, int, int]:
        """Say how much there is now."""
        return len(self.times), len(self.returned), len(self.failures), self.n_more

    def cut(self, mark: tuple[int, int, int, int]) -> None:
        """Forget all that came since a mark was made."""
        n_times, n_returned, n_failures, self.n_more = mark
        del self.times[n_times:], self.returned[n_returned:], self.failures[n_failures:]
        self.sizes = {call: n for call, n in self.sizes.items() if call < n_times - 1}

    def elapsed(self, seconds: Mapping[int, float]) -> tuple[npt.NDArray[np.float32], float]:
        """Seconds of each point, and of all; `seconds` before some calls were not theirs.

        Cheap points have one time, as those of a vectorized function do.
        """
        taken = np.diff(self.times)
        for call, own in seconds.items():
            taken[call : call + 1] -= own
        busy_s, n_points = float(taken.sum()), self.n_points
        if self.sizes:
            sizes = np.ones(len(taken), dtype=np.int64)
            sizes[list(self.sizes)] = list(self.sizes.values())
            taken = taken / sizes
            if busy_s < _CHEAP_S * n_points and taken.max() < NOTICEABLE_S:
                return np.broadcast_to(np.float32(busy_s / n_points), n_points), busy_s
            taken = np.repeat(taken, sizes)
        return taken.astype(np.float32), busy_s


class _Cheap:
    """Finds out whether points are so cheap that a look at the clock after each one is dear."""

    def __init__(self, n_points: int, now: float) -> None:
        self._n_points, self._last, self._n_times = n_points, now, 0

    def is_proven(self, n_points: int, now: float) -> bool:
        """Whether all points of late were cheap, so many of which are finished now."""
        is_cheap = now - self._last < _CHEAP_S * (n_points - self._n_points)
        self._n_times = self._n_times + 1 if is_cheap else 0
        self._n_points, self._last = n_points, now
        return self._n_times >= _PROVEN


class Looks:
    """When to look at what points did to their process, and from where to begin again.

    Short points are looked after together. Where they changed something, they are computed again,
    one by one, since they may have seen it.

    Attributes
    ----------
    is_again : bool
        Whether the points since the last look are computed again.
    is_apart : bool
        Whether to look after each point.
    seconds : dict of int to float
        Time before a call that is not its own.
    """

    def __init__(self, record: scratch.Recorder, limits: Limits, done: Done) -> None:
        self.is_again = self.is_apart = False
        self.seconds = dict[int, float]()
        self._record, self._limits, self._done = record, limits, done
        self._first, self._mark = 0, done.mark()
        self._is_seeded, self._next_whole = False, -math.inf

    def begin(self) -> float:
        """Make ready for the next point, and say when to look."""
        surroundings, times = self._limits.surroundings, self._done.times
        if surroundings is None:
            return math.inf
        is_early = surroundings.n_looked < _FIRST_LOOKS
        is_long = len(times) > 1 and times[-1] - times[-2] > _LONG_S
        self._is_seeded = is_early or is_long or surroundings.random.is_used
        if self._is_seeded:
            seed(self._limits, self._done.n_points)
        now = time.perf_counter()
        self.seconds[len(times) - 1] = now - times[-1]
        self.is_apart = is_early or not surroundings.is_steady
        return now if self.is_apart else now + _LOOK_S

    def look(self, *, is_last: bool = False) -> bool:
        """Undo what points did, and say whether they are to be computed again."""
        surroundings, done = self._limits.surroundings, self._done
        if surroundings is None:
            return False
        n_done, now = done.n_points, done.times[-1]
        is_single = n_done - self._first <= 1
        is_whole = is_last or is_single or now >= self._next_whole
        is_new = restore(self._record, self._limits, is_quick=not is_whole)
        self.is_again = is_new and not is_single
        if surroundings.has_drawn():
            self.is_again |= not (is_single and self._is_seeded)
        if is_whole and not self.is_again:
            self._first, self._next_whole = n_done, now + _LOOK_S
            self._mark = done.mark()
        return self.is_again

    def begin_again(self) -> float:
        """Forget the points since the last look, and make ready for the first of them."""
        self.is_again = False
        self._done.cut(self._mark)
        return self.begin()


def _by_position(
    function: Callable[..., Any], given: Mapping[str, Any], columns: Mapping[str, Any]
) -> tuple[Callable[..., Any], tuple[str, ...]]:
    """Make what takes the values of a point one behind the other, and say of which columns.

    A call by position takes 0.15 us and one with a dict of names 0.8 us, so that the function's
    own order counts where it is plain Python and takes the columns first.
    """
    names = tuple(columns)
    code = function.__code__ if isinstance(function, types.FunctionType) else None
    first = code.co_varnames[: min(code.co_argcount, len(names))] if code is not None else ()
    if {*first} == {*names}:
        return functools.partial(function, **given) if given else function, first

    def call_by_name(*row: Any) -> Any:
        return function(**given, **dict(zip(names, row, strict=True)))

    return call_by_name, names


def _rows(
    columns: Mapping[str, Any], names: Sequence[str], n_points: int
) -> Iterator[tuple[Any, ...]]:
    """Values of one point after the other, in an order of the columns."""
    if isinstance(columns, Rowed) and (made := columns.rows(names)) is not None:
        return made
    return rows({name: columns[name] for name in names}, n_points)


def rows(columns: Mapping[str, Iterable[Any]], n_points: int) -> Iterator[tuple[Any, ...]]:
    """Values of one point after the other, as Python's own scalars."""
    own = [c.tolist() if isinstance(c, np.ndarray) else c for c in columns.values()]
    return zip(*own, strict=True) if own else iter([()] * n_points)


def failure(error: BaseException, record: scratch.Recorder, limits: Limits) -> Reason:
    """Return why a point that raised failed.

    A copy of this process ends: it raised amid the function. Where memory is limited, want of it
    ends this process as well, since earlier points may have taken it.
    """
    if os.getpid() != limits.pid:
        end_copy(error)
    memory_bytes = None if limits.surroundings is None else limits.surroundings.memory_bytes
    if memory_bytes is not None and memory_limit.is_exceeded(error):
        memory_limit.impose(None)  # there must be room to say so
        shown = memory_limit.show(memory_bytes)
        record.die(f"beyond the memory limit of {shown}", raised(error).traceback)
    return raised(error)


def seed(limits: Limits, i: int) -> None:
    """Have the random numbers that all of a process shares follow from the key of a point."""
    surroundings = limits.surroundings
    if surroundings is not None and limits.key is not None:
        surroundings.seed(limits.key(i))


def restore(record: scratch.Recorder, limits: Limits, *, is_quick: bool = False) -> bool:
    """Undo what a point did to its process, or end that; say whether it is the first that did so.

    What it printed is taken note of before. A copy of the process that it made ends here. If
    `is_quick`, look only at what earlier points had changed.
    """
    if os.getpid() != limits.pid:
        end_copy()
    if not is_quick:
        capture.over()
    if limits.surroundings is not None:
        try:
            return limits.surroundings.restore(is_quick=is_quick)
        except SpoiledError as error:
            record.die(str(error), "")
    return False
