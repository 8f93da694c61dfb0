"""Call cheap points in runs: Python does nothing between two of them, so they cost half as much."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from sweeps.outputs.columns import SCALARS
from sweeps.outputs.failures import Reason
from sweeps.signals import Interrupted
from sweeps.worker import capture, scratch

if TYPE_CHECKING:
    from sweeps.worker.call import Done, Looks

# A look at the clock then costs little. If points suddenly take long, so many of them are computed
# before anything looks; the next run is of a single point.
LENGTH = 32


class Due(NamedTuple):
    """What is to be called, and until when."""

    call: Callable[..., Any]
    rows: Iterator[tuple[Any, ...]]  # arguments of the points that are not finished
    n_points: int  # of the block
    next_look: float
    end: float
    noticeable_s: float  # ask for texts after runs that take longer
    fail: Callable[[BaseException], Reason]  # why a point that raised failed


def call(due: Due, done: Done, looks: Looks, record: scratch.Recorder) -> tuple[bool, float, bool]:
    """Call points in runs, as long as they are cheap and return plain numbers or texts.

    Returns
    -------
    is_over : bool
        Whether the block is over, or points are to be computed again. If not, the next points are
        to be called one by one.
    next_look : float
    is_lost : bool
        Whether rows were taken of points that are not finished.
    """
    next_look, clock, returned = due.next_look, time.perf_counter, done.returned
    if not SCALARS.issuperset(map(type, returned[-LENGTH:])):
        return False, next_look, False
    at, i, length = record.at, done.n_points, LENGTH
    try:
        while True:
            begun, n_before = done.times[-1], len(returned)
            n_wanted = min(length, due.n_points - i)
            at[0], at[1] = i, n_wanted
            record.run = returned, i - n_before
            error: BaseException | None = None
            try:
                # What was returned before an error stays in the list.
                returned.extend(itertools.starmap(due.call, itertools.islice(due.rows, n_wanted)))
            except Interrupted:
                raise
            except BaseException as raised:
                error = raised
            if not SCALARS.issuperset(map(type, returned[n_before:])):
                # The function may have used them again already: these points are called again.
                del returned[n_before:]
                return False, next_look, True
            n = len(returned) - n_before
            if error is not None:
                at[0], at[1] = i + n, 1
                done.failures.append((i + n, due.fail(error)))
                n += 1
            now = clock()
            if n:
                done.sizes[len(done.times) - 1] = n
                done.n_more += n - 1
                done.times.append(now)
            i += n
            is_short = n < n_wanted  # a point has raised; for `extend`, StopIteration is the end
            length = min(2 * length, LENGTH)
            if now - begun > due.noticeable_s:
                capture.over()
                length = 1
            if now >= next_look or i == due.n_points:
                if now >= due.end or i == due.n_points or looks.look():
                    return True, next_look, False
                next_look = min(due.end, looks.begin())
            if is_short or looks.is_apart:
                return False, next_look, is_short and error is None
    finally:
        record.run = None
        at[1] = 1
