"""One invocation of `run`: what it is asked, and what it did."""

from __future__ import annotations

import dataclasses
import datetime
import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from sweeps import engines
from sweeps.engines import Receipt
from sweeps.errors import SweepsError, unknown
from sweeps.memo import index as memo
from sweeps.worker import memory_limit

if TYPE_CHECKING:
    from sweeps.declaration.experiment import Experiment
    from sweeps.memo.draft import Draft
    from sweeps.outputs import schema


KINDS = ("exception", "timeout", "died", "output")
"""How points fail."""


class Retry(NamedTuple):
    """Which failed points are computed again: those of a kind that failed before a time.

    Attributes
    ----------
    is_wanted : bool
        Whether any are.
    is_all : bool
        Whether they are all that is computed.
    """

    is_wanted: bool = True
    is_all: bool = False
    kind: str | None = None
    before_ns: int | None = None

    @classmethod
    def of(cls, retry: bool, failed: bool, kind: str | None, before: str | None) -> Self:
        """Make it of options of a run, and refuse those that contradict each other."""
        if failed and not retry:
            raise SweepsError("--failed computes failed points again: leave out --no-retry")
        if kind is not None and not failed:
            raise SweepsError(f"--kind {kind} chooses among failed points: add --failed")
        if kind is not None and kind not in KINDS:
            raise unknown("kind of failure", kind, KINDS)
        return cls(retry, failed, kind, None if before is None else _time_ns(before))

    def again(self, index: memo.Index) -> npt.NDArray[np.bool_]:
        """Tell which failures are tried again, in the order of the index, and False behind them."""
        tried_ns: dict[tuple[int, int], int] = {}
        for each in index.in_order if self.before_ns is not None else ():
            for failure in each.failures:
                if failure.attempts == index.failures[failure.key].attempts:
                    tried_ns.setdefault(failure.key, each.created_ns)
        told = [
            self.is_wanted
            and self.kind in (None, failure.kind)
            and (self.before_ns is None or tried_ns[key] < self.before_ns)
            for key, failure in index.failures.items()
        ]
        return np.array([*told, False])


EVERY = Retry()


def _time_ns(text: str) -> int:
    """Read a time; without a time zone it is local."""
    try:
        return round(datetime.datetime.fromisoformat(text).timestamp() * 1e9)
    except (ValueError, OverflowError, OSError, TypeError):
        raise SweepsError(
            f"--retry-before {text}: give a time, such as 2026-10-30T12:00 or, with the time zone, "
            "2026-10-30T12:00+01:00"
        ) from None


@dataclasses.dataclass(frozen=True)
class Options:
    """How to run; the defaults are those of the command line.

    Attributes
    ----------
    engine : str, executor or Engine
        "loky", "serial", "threads", "dask", "mpi", "package.module:factory", or an object with the
        `submit` of `concurrent.futures.Executor`.
    n_workers : int or None
        None is one a core.
    limit : int or None
        Compute at most so many points.
    recompute : bool
        Recompute points that already have results; the new values count.
    retry : bool
        Recompute points that failed before.
    memory_limit : int, str or None
        Bytes of memory for each worker, or a size such as "2G".
    address : str or None
        Of the scheduler of the engine dask, or a file that holds it.
    failed : bool
        Compute nothing but points that failed before.
    kind : {"exception", "timeout", "died", "output"}, optional
        With `failed`: how they failed.
    retry_before : str, optional
        Recompute only what failed before this time, "2026-10-30T12:00".
    quiet : bool
        Show neither progress nor what points print; that is kept, as always.
    """

    engine: Any = "loky"
    n_workers: int | None = None
    limit: int | None = None
    recompute: bool = False
    retry: bool = True
    memory_limit: int | str | None = None
    address: str | None = None
    failed: bool = False
    kind: str | None = None
    retry_before: str | None = None
    quiet: bool = False

    def __post_init__(self) -> None:
        engines.check_name(self.engine)
        if self.n_workers is not None and self.n_workers < 1:
            raise SweepsError(f"-j {self.n_workers}: give a number of workers, at least 1")
        if self.limit is not None and self.limit < 0:
            raise SweepsError(f"--limit {self.limit}: give a number of points, at least 0")
        if self.memory_limit is not None:
            memory_limit.parse(self.memory_limit)
        if self.failed and self.recompute:
            raise SweepsError("--failed computes failed points again: leave out --recompute")
        _ = self.retries

    @property
    def retries(self) -> Retry:
        """Which failed points are computed again."""
        if self.retry and (self.failed, self.kind, self.retry_before) == (False, None, None):
            return EVERY
        return Retry.of(self.retry, self.failed, self.kind, self.retry_before)

    @functools.cached_property
    def carrier(self) -> engines.Engine:
        """The engine itself.

        Raises
        ------
        SweepsError
            If there is none.
        """
        return engines.get(self.engine, self.address)

    @property
    def memory_bytes(self) -> int | None:
        """The memory limit in bytes."""
        return None if self.memory_limit is None else memory_limit.parse(self.memory_limit)


@dataclasses.dataclass(frozen=True)
class Report:
    """What a run did, and what its results file holds.

    Attributes
    ----------
    n_points : int
        Of the space, or of the shard that the run was to compute.
    n_computed : int
        Points that this run finished.
    n_failed : int
        Points of the space that have no values because they failed, now or earlier.
    is_landed : bool
        Whether the run has written the results file.
    warnings : tuple of str
        What a user should know, though the run went on.
    state : str
        Of the results file, as `state.STATE` in it says: another run may replace it at any time.
    first_failure : str
        The first point without values, and why it has none; empty if unknown.
    """

    experiment: str
    n_points: int
    n_reused: int
    n_computed: int
    n_failed: int
    n_excluded: int
    seconds: float
    results: Path
    fingerprint: str
    is_landed: bool = True
    is_interrupted: bool = False
    warnings: tuple[str, ...] = ()
    state: str = ""
    first_failure: str = ""


@dataclasses.dataclass
class Tally:
    """What came of the points so far."""

    n_computed: int = 0
    n_failed: int = 0
    n_elsewhere: int = 0  # finished by other runs meanwhile
    n_awaited: int = 0  # that we wait for other runs to finish
    n_uncommitted: int = 0
    busy_s: float = 0.0  # in the function, of all workers together
    start_s: float = 0.0  # until all workers were ready, where they were mustered
    seconds: float = 0.0  # from then until the last outcome
    peak_bytes: int = 0  # of the worker that has had the most memory
    error: str = ""
    warnings: list[str] = dataclasses.field(default_factory=list)
    traces: set[str] = dataclasses.field(default_factory=set)  # what points changed that lasts
    notes: list[str] = dataclasses.field(default_factory=list)  # to be told at once
    forms: list[schema.Form] = dataclasses.field(default_factory=list)
    misfits: set[str] = dataclasses.field(default_factory=set)  # outputs of which notes tell
    draft: Draft | None = None  # in which workers have written large values

    def add(self, receipt: Receipt, experiment: Experiment) -> None:
        """Count what a worker did with a block."""
        self.n_computed += receipt.n_done
        self.n_failed += receipt.n_failed
        self.busy_s += receipt.busy_s
        self.peak_bytes = max(self.peak_bytes, receipt.peak_bytes)
        self.traces.update(receipt.traces)
        self.warnings += [w for w in receipt.warnings if w not in self.warnings]
        self.forms += receipt.forms
        if not receipt.forms or len(self.forms) < 2:
            return
        from sweeps.outputs import misfits  # a run with nothing to do needs none of it

        for output, told in misfits.noticed(experiment, self.forms):
            if output not in self.misfits:
                self.misfits.add(output)
                self.notes.append(told)


def n_workers(given: int | None, n_points: int, engine: engines.Engine) -> int:
    """Return the number of workers for a run: what the engine has, and no more than points."""
    return max(1, min(engine.n_workers(given), n_points))
