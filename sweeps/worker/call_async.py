"""Concurrent calling: an ``async def`` at many points at once, on one event loop."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Collection, Coroutine, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from sweeps.outputs.columns import SCALARS, size_bytes, snapshot
from sweeps.outputs.failures import Reason, refused, timed_out
from sweeps.outputs.file import ClashError, File, unfolded
from sweeps.outputs.shelf import BLOCK_BYTES
from sweeps.signals import Interrupted
from sweeps.worker import capture, scratch
from sweeps.worker.call import Called, Limits, failure, restore, rows, seed

if TYPE_CHECKING:
    import asyncio


GRACE_S = 1.0
"""What is cancelled gets so long to clean up; what goes on after that is left to itself."""

_BEAT = 0.1  # of the timeout: how often the loop says that it is not blocked

_SHORTEST_BEAT_S = 0.02

_CANCELLED = Reason("exception", "CancelledError", "cancelled before it began")

Row = tuple[int, dict[str, Any]]


async def call_concurrently(
    function: Callable[..., Any],
    given: Mapping[str, Any],
    columns: Mapping[str, Iterable[Any]],
    n_points: int,
    record: scratch.Recorder,
    limits: Limits,
    concurrency: int = 1,
) -> Called:
    """Call a coroutine function for so many points at once; when one ends, the next is begun.

    A point that is not finished in time is cancelled, and fails. One that blocks the loop for that
    long ends the process, by the recorder's watchdog; who it was is found out by trying again.

    Parameters
    ----------
    given, columns, n_points, record, limits
        As for `call.call_each`.
    concurrency : int
        Points under way at once, at most.
    """
    import asyncio

    capture.RECORD.set(record)
    start = time.perf_counter()
    before = asyncio.all_tasks()
    points = _Points(function, given, record, limits, concurrency)
    ahead = _rows(columns, n_points)

    async def call_one_after_the_other() -> None:
        while not points.is_over and (row := next(ahead, None)) is not None:
            await points.call(*row)

    coroutines = [call_one_after_the_other() for _ in range(min(concurrency, n_points))]
    with _watched(asyncio.get_running_loop(), record, limits.timeout):
        callers = {asyncio.create_task(coroutine) for coroutine in coroutines}
        await _wait(callers)
        if left := asyncio.all_tasks() - before:
            points.suspect_all()
            await cancel(left)
    for caller in callers:
        caller.result()
    return points.called(time.perf_counter() - start)


def _rows(columns: Mapping[str, Iterable[Any]], n_points: int) -> Iterator[Row]:
    """Places of the points, with the arguments of each."""
    names = tuple(columns)
    numbered = enumerate(rows(columns, n_points))
    return ((i, dict(zip(names, row, strict=True))) for i, row in numbered)


class _Points:
    """Which points of a block are under way, and what came of the others."""

    def __init__(
        self,
        function: Callable[..., Any],
        given: Mapping[str, Any],
        record: scratch.Recorder,
        limits: Limits,
        concurrency: int,
    ) -> None:
        self._function, self._given = function, given
        self._is_single = concurrency == 1
        self._record, self._limits = record, limits
        self._end = time.perf_counter() + limits.block_s
        self._room_bytes = BLOCK_BYTES
        self._elapsed: list[float] = []
        self._is_finished: list[bool] = []
        self._n_first = 0  # so many points from the first on are finished
        self._returned: dict[int, Any] = {}
        self._failures: dict[int, Reason] = {}

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be begun; the first point always is."""
        is_late = time.perf_counter() > self._end or self._room_bytes < 0
        return is_late and bool(self._elapsed)

    async def call(self, i: int, own: Mapping[str, Any]) -> None:
        """Call the function at a point, which may take only so long."""
        import asyncio

        self._begin(i)
        if self._is_single:
            seed(self._limits, i)
        begun, timeout_s = time.perf_counter(), self._limits.timeout
        task = asyncio.create_task(self._attempt(i, own))
        is_in_time = await _wait([task], timeout_s)
        self._elapsed[i] = time.perf_counter() - begun
        if not is_in_time:
            await cancel([task])
        is_ended = task.done() and not task.cancelled()
        value, why = task.result() if is_ended else (None, _CANCELLED)
        if not is_in_time and timeout_s is not None:
            why = timed_out(timeout_s, why.traceback if why else "")
        if why is not None:
            self._failures[i] = why
        else:
            self._returned[i] = value
        self._finish(i)

    async def _attempt(self, i: int, own: Mapping[str, Any]) -> tuple[Any, Reason | None]:
        capture.ONE.set(i)  # of this task and all that it starts
        try:
            value = await self._function(**self._given, **own)
            if type(value) not in SCALARS:
                if File.is_used:
                    value = unfolded(value, self._limits.writer())
                value = snapshot(value)
                self._room_bytes -= size_bytes(value)
        except Interrupted:
            raise
        except ClashError as error:
            return None, refused(error)
        except BaseException as error:  # its own cancelling is the point's too
            return None, failure(error, self._record, self._limits)
        finally:
            restore(self._record, self._limits)
        return value, None

    def _begin(self, i: int) -> None:
        """Record that a point is under way, with all others from the first unfinished one on."""
        self._elapsed.append(0.0)
        self._is_finished.append(False)
        if i == 0:
            self._record.at[0] = 0
        self._record.at[1] = i + 1 - self._n_first

    def _finish(self, i: int) -> None:
        self._is_finished[i] = True
        n_begun = len(self._is_finished)
        while self._n_first < n_begun - 1 and self._is_finished[self._n_first]:
            self._n_first += 1
        # In this order a death in between blames too many rather than too few.
        self._record.at[0] = self._n_first
        self._record.at[1] = n_begun - self._n_first

    def suspect_all(self) -> None:
        """Record that any point may be to blame for what happens now."""
        self._record.at[0], self._record.at[1] = 0, len(self._elapsed)

    def called(self, busy_s: float) -> Called:
        """Return what came of the points that were begun."""
        returned = [self._returned[i] for i in sorted(self._returned)]
        failures = sorted(self._failures.items())
        return Called(np.array(self._elapsed, dtype=np.float32), busy_s, failures, returned)


@contextlib.contextmanager
def _watched(
    loop: asyncio.AbstractEventLoop, record: scratch.Recorder, timeout_s: float | None
) -> Iterator[None]:
    """Put the watchdog off again and again, which only a loop that is not blocked can do."""
    if timeout_s is None:
        yield
        return
    pause = max(_BEAT * timeout_s, _SHORTEST_BEAT_S)
    patience_s = timeout_s + 2 * pause
    next_beat: asyncio.Handle | None = None

    def beat() -> None:
        nonlocal next_beat
        record.arm(patience_s)
        next_beat = loop.call_later(pause, beat)

    beat()
    try:
        yield
    finally:
        if next_beat is not None:
            next_beat.cancel()


async def cancel(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel tasks, and give them some time to clean up."""
    for task in tasks:
        task.cancel()
    await _wait(tasks, GRACE_S)


async def _wait(tasks: Collection[asyncio.Task[Any]], timeout_s: float | None = None) -> bool:
    """Wait until tasks are done, and say whether they are.

    A function may cancel all tasks on its loop; this one goes on.
    """
    import asyncio

    end = math.inf if timeout_s is None else time.monotonic() + timeout_s
    left = set(tasks)
    while left and time.monotonic() < end:
        pause = None if timeout_s is None else end - time.monotonic()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait(left, timeout=pause)
        left = {task for task in left if not task.done()}
    return not left


def run(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine to its end, even where the function stops the loop, or its tasks say exit."""
    task = loop.create_task(coroutine)
    while True:
        try:
            return loop.run_until_complete(task)
        except (SystemExit, KeyboardInterrupt, RuntimeError):  # the last one says: stopped
            if task.done() or loop.is_closed():
                raise
