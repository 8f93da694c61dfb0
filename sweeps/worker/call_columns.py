"""Call a function at many points at once: first for a few, then for more and more."""

from __future__ import annotations

import copy
import dataclasses
import functools
import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from sweeps.errors import OutputError
from sweeps.outputs.columns import LengthError
from sweeps.outputs.columns import columns as as_columns
from sweeps.outputs.failures import Reason, refused
from sweeps.outputs.file import File, unfolded
from sweeps.outputs.shelf import BLOCK_BYTES
from sweeps.signals import Interrupted
from sweeps.spaces import grid, quantities
from sweeps.worker import scratch
from sweeps.worker.call import Called, Limits, Piece, failure, restore, seed

_FIRST_CHUNK = 16
_LARGEST_CHUNK = 2**16  # numpy's own cost has vanished, and temporary arrays stay in the cache
_GROWTH = 16
_CALLS_IN_A_TIMEOUT = 4  # so that a call for many points is not stopped because they are many


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
    chunks = _Chunks(functools.partial(function, **given), _cut(columns), record, limits)
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


def _cut(columns: Mapping[str, Any]) -> Callable[[int, int], dict[str, Any]]:
    """Make what gives new columns of some points: a function may write to them, and raise.

    Those of a grid are made for these points alone: they stay in the cache.
    """
    if isinstance(columns, grid.Columns):
        return lambda start, stop: _joined(columns.part(start, stop))
    every = _joined(columns)
    return lambda start, stop: {name: copy.copy(own[start:stop]) for name, own in every.items()}


def _joined(columns: Mapping[str, Any]) -> dict[str, Any]:
    return {name: quantities.joined(column) for name, column in columns.items()}


@dataclasses.dataclass(frozen=True, eq=False)
class _Chunks:
    """What came of the points that a function of columns was called for, so far."""

    function: Callable[..., Any]
    columns: Callable[[int, int], dict[str, Any]]
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
        own = self.columns(start, stop)
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
