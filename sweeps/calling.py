"""Calling: the function at one point after the other, or at many at once, until time is over."""

from __future__ import annotations

import copy
import dataclasses
import functools
import math
import os
import time
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from sweeps import failing, flight, memory_limit, process, returning
from sweeps.block import Variable
from sweeps.errors import OutputError
from sweeps.failing import Why
from sweeps.interrupting import Interrupted

BLOCK_BYTES = 64 * 2**20
"""Values held in memory before a block is committed, however little time it took."""

_TIMEOUT_SLACK = 0.01
"""A point gets so much more than its timeout: arming costs 30 us, too much for every point."""

_NOTICEABLE_S = 100e-6
"""Looking at what a point did to its process takes 5 us: too much after shorter ones."""

_FIRST_CHUNK = 16
_LARGEST_CHUNK = 2**16  # numpy's own cost has vanished, and temporary arrays stay in the cache
_GROWTH = 16
_CALLS_IN_A_TIMEOUT = 4  # so that a call for many points is not stopped because they are many

Piece = tuple[slice | npt.NDArray[np.int64], tuple[Variable, ...]]
"""Which points of a block, and their values."""


@dataclasses.dataclass(frozen=True)
class Limits:
    """How long to go on, and how an output may be called.

    Attributes
    ----------
    block_s : float
        Seconds after which nothing more is begun.
    timeout : float or None
        Seconds for a call.
    name, dims, taken
        As for `sweeps.outputs.outputs`.
    surroundings : Surroundings, optional
        Of the worker process, to be restored.
    pid : int
        Process that the points are computed in; in another one, a copy, nothing goes on.
    """

    block_s: float
    timeout: float | None
    name: str
    dims: Mapping[str, tuple[str, ...]]
    taken: frozenset[str]
    surroundings: process.Surroundings | None = None
    pid: int = dataclasses.field(default_factory=os.getpid)


@dataclasses.dataclass(frozen=True, eq=False)
class Called:
    """What came of the points of a block that were begun, which are the first ones.

    Attributes
    ----------
    elapsed : numpy.ndarray
        Shape (n,), float32, seconds.
    busy_s : float
        What all of them took together.
    failures : list of (int, Why)
        By the point's place in the block.
    returned : list
        What the other points returned, in their order; or else
    pieces : list of Piece
        columns of values, ascending.
    """

    elapsed: npt.NDArray[np.float32]
    busy_s: float
    failures: list[tuple[int, Why]]
    returned: list[Any] = dataclasses.field(default_factory=list)
    pieces: list[Piece] = dataclasses.field(default_factory=list)


def call_each(
    function: Callable[..., Any],
    given: Mapping[str, Any],
    columns: Mapping[str, Iterable[Any]],
    n_points: int,
    record: flight.Recorder,
    limits: Limits,
) -> Called:
    """Call the function for one point after the other.

    Parameters
    ----------
    given : mapping
        Arguments that all points share.
    columns : mapping
        Arguments of each point.
    record : Recorder
        Where to say which point is computed.
    """
    timeout = limits.timeout
    call, names = _by_position(function, given, columns)
    returned: list[Any] = []
    failures: list[tuple[int, Why]] = []
    start = last = rearm = time.perf_counter()
    end = start + limits.block_s
    times = [start]
    room_bytes = BLOCK_BYTES
    at, clock = record.at, time.perf_counter
    snapshot, scalars = returning.snapshot, returning.SCALARS
    for i, row in enumerate(rows({name: columns[name] for name in names}, n_points)):
        at[0] = i
        if timeout and last >= rearm:
            record.arm((1 + _TIMEOUT_SLACK) * timeout)
            rearm = last + _TIMEOUT_SLACK * timeout
        try:
            value = call(*row)
            if type(value) not in scalars:
                value = snapshot(value)
                room_bytes -= returning.size_bytes(value)
            returned.append(value)
        except Interrupted:
            raise
        except BaseException as error:  # SystemExit and KeyboardInterrupt are the point's too
            failures.append((i, failure(error, record, limits)))
        now = clock()
        if now - last > _NOTICEABLE_S:
            restore(record, limits)
        times.append(now)
        last = now
        if now > end or room_bytes < 0:
            break
    elapsed = np.diff(times).astype(np.float32)
    return Called(elapsed, last - start, failures, returned)


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
    record: flight.Recorder,
    limits: Limits,
) -> Called:
    """Call the function for many points at once, first for few, then for ever more.

    Where it raises, halves of the points are tried, until those that it raises at stand alone.
    """
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
    mean_s = np.float32((begun - first) / start)  # what a single point took, nobody can tell
    elapsed = np.broadcast_to(mean_s, start)
    return Called(elapsed, begun - first, chunks.failures, pieces=chunks.pieces)


@dataclasses.dataclass(frozen=True, eq=False)
class _Chunks:
    """What came of the points that a function of columns was called for, so far."""

    function: Callable[..., Any]
    columns: Mapping[str, Any]
    record: flight.Recorder
    limits: Limits
    failures: list[tuple[int, Why]] = dataclasses.field(default_factory=list)
    pieces: list[Piece] = dataclasses.field(default_factory=list)

    def call(self, start: int, stop: int) -> bool:
        """Call the function for points together, and say whether no point of them is to blame."""
        limits = self.limits
        self.record.at[0], self.record.at[1] = start, stop - start
        if limits.timeout:
            self.record.arm(limits.timeout)
        # Copies: a function may write to its columns, and raise, and be called again.
        own = {name: copy.copy(column[start:stop]) for name, column in self.columns.items()}
        try:
            variables = returning.columns(
                self.function(**own),
                stop - start,
                name=limits.name,
                dims=limits.dims,
                taken=limits.taken,
            )
            self.pieces.append((slice(start, stop), variables))
            restore(self.record, limits)
        except Interrupted:
            raise
        except returning.LengthError as error:  # nor would that of fewer points be trusted
            self.failures.extend((i, failing.refused(error)) for i in range(start, stop))
        except BaseException as error:
            restore(self.record, limits)
            if stop - start == 1:
                refused = failing.refused(error) if isinstance(error, OutputError) else None
                said = refused or failure(error, self.record, limits)
                self.failures.append((start, said))
            else:
                middle = (start + stop) // 2
                self.call(start, middle)
                self.call(middle, stop)
            return False
        return True


def failure(error: BaseException, record: flight.Recorder, limits: Limits) -> Why:
    """Say why a point failed that raised.

    A copy of this process ends: it raised amid the function. Where memory is limited, want of it
    ends this process as well, since earlier points may have taken it.
    """
    if os.getpid() != limits.pid:
        process.end_copy(error)
    memory_bytes = None if limits.surroundings is None else limits.surroundings.memory_bytes
    if memory_bytes is not None and memory_limit.is_exceeded(error):
        memory_limit.impose(None)  # there must be room to say so
        shown = memory_limit.show(memory_bytes)
        record.die(f"beyond the memory limit of {shown}", failing.why(error)[3])
    return failing.why(error)


def restore(record: flight.Recorder, limits: Limits) -> None:
    """Undo what a point did to its process, or end that; a copy that it made ends here."""
    if os.getpid() != limits.pid:
        process.end_copy()
    if limits.surroundings is not None:
        try:
            limits.surroundings.restore()
        except process.SpoiledError as error:
            record.die(str(error), "")
