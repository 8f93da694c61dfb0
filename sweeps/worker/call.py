"""Call the function at one point after the other, or at many at once, until time is over."""

from __future__ import annotations

import copy
import dataclasses
import functools
import itertools
import math
import os
import time
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from sweeps.errors import OutputError
from sweeps.outputs.columns import SCALARS, LengthError, size_bytes, snapshot
from sweeps.outputs.columns import columns as as_columns
from sweeps.outputs.failures import Reason, raised, refused
from sweeps.outputs.file import ClashError, File, unfolded
from sweeps.outputs.types import Variable
from sweeps.signals import Interrupted
from sweeps.spaces import quantities
from sweeps.storage.pack_writer import Writer
from sweeps.worker import capture, memory_limit, scratch
from sweeps.worker.isolation.surroundings import SpoiledError, Surroundings, end_copy

BLOCK_BYTES = 64 * 2**20
"""Values held in memory before a block is committed, however little time it took."""

# To ask what points printed past Python costs 0.5 us; to arm a timeout, 30 us; to look at what
# points did to their process, 10 to 20 us; to seed random numbers, 15 us.
_NOTICEABLE_S = 100e-6  # ask after points that take longer
_TIMEOUT_SLACK = 0.01  # of the timeout, which a point gets beside it: not every point is armed for
_LOOK_S = 4e-3  # look no more often than this
_LONG_S = 10e-3  # seed before each point after one that took so long
_FIRST_LOOKS = 32  # points looked after one by one: most that change something do so at once

_FIRST_CHUNK = 16
_LARGEST_CHUNK = 2**16  # numpy's own cost has vanished, and temporary arrays stay in the cache
_GROWTH = 16
_CALLS_IN_A_TIMEOUT = 4  # so that a call for many points is not stopped because they are many

Piece = tuple[slice | npt.NDArray[np.int64], tuple[Variable, ...]]
"""Which points of a block, and their values."""


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
    own = {name: columns[name] for name in names}
    returned: list[Any] = []
    failures: list[tuple[int, Reason]] = []
    start = last = rearm = time.perf_counter()
    end = start + limits.block_s
    times = [start]
    looks = _Looks(record, limits, times, returned, failures)
    room_bytes = BLOCK_BYTES
    at, clock = record.at, time.perf_counter
    next_look = min(end, looks.begin(0))
    next_note = min(next_look, start + _NOTICEABLE_S)
    while True:
        ahead = itertools.islice(rows(own, n_points), looks.first, None)
        for i, row in enumerate(ahead, looks.first):
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
                    next_look = min(end, looks.begin(i + 1))
                next_note = min(next_look, last + _NOTICEABLE_S)
        if not (looks.is_again or looks.look(is_last=True)):
            break
        next_look = next_note = min(end, looks.begin_again())
    elapsed = np.diff(times)
    for i, seconds in looks.seconds.items():
        elapsed[i : i + 1] -= seconds
    return Called(elapsed.astype(np.float32), float(elapsed.sum()), failures, returned)


class _Looks:
    """When to look at what points did to their process, and from where to begin again.

    Short points are looked after together. Where they changed something, they are computed again,
    one by one, since they may have seen it.

    Attributes
    ----------
    first : int
        The first point since the last look.
    is_again : bool
        Whether the points from there on are computed again.
    seconds : dict of int to float
        Time before a point that is not its own.
    """

    def __init__(
        self,
        record: scratch.Recorder,
        limits: Limits,
        times: list[float],
        returned: list[Any],
        failures: list[tuple[int, Reason]],
    ) -> None:
        self.first, self.is_again, self.seconds = 0, False, dict[int, float]()
        self._record, self._limits = record, limits
        self._times, self._returned, self._failures = times, returned, failures
        self._n_returned = self._n_failed = 0
        self._is_seeded, self._next_whole = False, -math.inf

    def begin(self, i: int) -> float:
        """Make ready for a point, and say when to look."""
        surroundings = self._limits.surroundings
        if surroundings is None:
            return math.inf
        is_early = surroundings.n_looked < _FIRST_LOOKS
        is_long = i > 0 and self._times[i] - self._times[i - 1] > _LONG_S
        self._is_seeded = is_early or is_long or surroundings.random.is_used
        if self._is_seeded:
            seed(self._limits, i)
        now = time.perf_counter()
        self.seconds[i] = now - self._times[i]
        return now if is_early or not surroundings.is_steady else now + _LOOK_S

    def look(self, *, is_last: bool = False) -> bool:
        """Undo what points did, and say whether they are to be computed again."""
        surroundings = self._limits.surroundings
        if surroundings is None:
            return False
        n_done = len(self._times) - 1
        is_single = n_done - self.first <= 1
        is_whole = is_last or is_single or self._times[-1] >= self._next_whole
        is_new = restore(self._record, self._limits, is_quick=not is_whole)
        self.is_again = is_new and not is_single
        if surroundings.has_drawn():
            self.is_again |= not (is_single and self._is_seeded)
        if is_whole and not self.is_again:
            self.first, self._next_whole = n_done, self._times[-1] + _LOOK_S
            self._n_returned, self._n_failed = len(self._returned), len(self._failures)
        return self.is_again

    def begin_again(self) -> float:
        """Forget the points since the last look, and make ready for the first of them."""
        self.is_again = False
        del self._times[self.first + 1 :]
        del self._returned[self._n_returned :]
        del self._failures[self._n_failed :]
        return self.begin(self.first)


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


def rows(columns: Mapping[str, Iterable[Any]], n_points: int) -> Iterator[tuple[Any, ...]]:
    """Values of one point after the other, as Python's own scalars."""
    own = [c.tolist() if isinstance(c, np.ndarray) else c for c in columns.values()]
    return zip(*own, strict=True) if own else iter([()] * n_points)


def call_columns(
    function: Callable[..., Any],
    given: Mapping[str, Any],
    columns: Mapping[str, Any],
    n_points: int,
    record: scratch.Recorder,
    limits: Limits,
) -> Called:
    """Call the function for many points at once: first for a few, then for more and more.

    If it raises, each half of the points is tried, until only the points that cause the error fail.
    """
    columns = {name: quantities.joined(column) for name, column in columns.items()}
    chunks = _Chunks(functools.partial(function, **given), columns, record, limits)
    start, size = 0, _FIRST_CHUNK if limits.timeout is None else 1
    begun = first = time.perf_counter()
    end, room_bytes = begun + limits.block_s, BLOCK_BYTES
    while start < n_points and (not start or (begun < end and room_bytes > 0)):
        stop = min(n_points, start + size)
        n_pieces = len(chunks.pieces)
        is_right = chunks.call(start, stop)
        now = time.perf_counter()
        point_s = (now - begun) / (stop - start)
        room_bytes -= sum(v.values.nbytes for _, made in chunks.pieces[n_pieces:] for v in made)
        left_s = min(end - now, (limits.timeout or math.inf) / _CALLS_IN_A_TIMEOUT)
        wanted = min(left_s / point_s, size * _GROWTH, _LARGEST_CHUNK)
        size = max(1, int(wanted) if is_right else size // _GROWTH)
        start, begun = stop, now
    mean_s = np.float32((begun - first) / start)  # the time of a single point is unknown
    elapsed = np.broadcast_to(mean_s, start)
    return Called(elapsed, begun - first, chunks.failures, pieces=chunks.pieces)


@dataclasses.dataclass(frozen=True, eq=False)
class _Chunks:
    """What came of the points that a function of columns was called for, so far."""

    function: Callable[..., Any]
    columns: Mapping[str, Any]
    record: scratch.Recorder
    limits: Limits
    failures: list[tuple[int, Reason]] = dataclasses.field(default_factory=list)
    pieces: list[Piece] = dataclasses.field(default_factory=list)

    def call(self, start: int, stop: int) -> bool:
        """Call the function for points together, and say whether no point of them is to blame."""
        limits = self.limits
        self.record.at[0], self.record.at[1] = start, stop - start
        if limits.timeout:
            self.record.arm(limits.timeout)
        # Copies: a function may write to its columns, and raise, and be called again.
        own = {name: copy.copy(column[start:stop]) for name, column in self.columns.items()}
        seed(limits, start)
        try:
            returned = self.function(**own)
            if File.is_used:
                returned = unfolded(returned, limits.writer(), is_column=True)
            variables = as_columns(
                returned,
                stop - start,
                name=limits.name,
                dims=limits.dims,
                taken=limits.taken,
                units=limits.units,
            )
            self.pieces.append((slice(start, stop), variables))
            restore(self.record, limits)
        except Interrupted:
            raise
        except LengthError as error:  # nor would that of fewer points be trusted
            self.failures.extend((i, refused(error)) for i in range(start, stop))
        except BaseException as error:
            restore(self.record, limits)
            if stop - start == 1:
                self.failures.append((start, self._failure(error)))
            else:
                middle = (start + stop) // 2
                self.call(start, middle)
                self.call(middle, stop)
            return False
        return True

    def _failure(self, error: BaseException) -> Reason:
        if isinstance(error, OutputError):
            return refused(error)
        return failure(error, self.record, self.limits)


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
