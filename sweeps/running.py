"""Running: plan, compute what the memo lacks, land. The one place that joins them.

Resuming a killed run, extending a grid and running for the first time are the same thing.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweeps import (
    dispatching,
    engines,
    files,
    loading,
    memo,
    provenance,
    refreshing,
)
from sweeps.declaring import Experiment
from sweeps.errors import StorageError, SweepsError, UnfinishedError
from sweeps.interrupting import Interrupted, Interruption, interruptible
from sweeps.space import Positions, Space
from sweeps.subject import Subject, plan, resolve

if TYPE_CHECKING:
    import xarray

LANDING_SHARE = 50
"""A long run lands what it has when this many times a landing's duration has passed: 2 %."""

_FIRST_LANDING_S = 30.0
_CODE = "code.json"


@dataclasses.dataclass(frozen=True)
class Options:
    """How to run; the defaults are those of the command line.

    Attributes
    ----------
    engine : {"loky", "serial", "threads"}
    n_workers : int or None
        None is one a core.
    limit : int or None
        Compute at most so many points.
    recompute : bool
        Compute also what is known; the new values count.
    retry : bool
        Compute again what failed before.
    """

    engine: str = "loky"
    n_workers: int | None = None
    limit: int | None = None
    recompute: bool = False
    retry: bool = True

    def __post_init__(self) -> None:
        if self.n_workers is not None and self.n_workers < 1:
            raise SweepsError(f"-j {self.n_workers}: give a number of workers, at least 1")
        if self.limit is not None and self.limit < 0:
            raise SweepsError(f"--limit {self.limit}: give a number of points, at least 0")


@dataclasses.dataclass(frozen=True)
class Report:
    """What a run did, and what its results file holds.

    Attributes
    ----------
    n_computed : int
        Points that this run finished.
    n_failed : int
        Points of the space that have no values because they failed, now or earlier.
    warnings : tuple of str
        What a user should know, though the run went on.
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
    is_interrupted: bool = False
    warnings: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far a run is, in points and seconds."""

    n_todo: int
    n_computed: int
    n_failed: int
    n_reused: int
    seconds: float
    is_stopping: bool = False


Watch = Callable[[Progress], None]


def run(
    experiment: str | Experiment,
    *,
    space: Space | None = None,
    axes: Mapping[str, Any] | None = None,
    results: str | os.PathLike[str] | None = None,
    experiments: str | os.PathLike[str] | None = None,
    **options: Any,
) -> xarray.Dataset:
    """Compute what is missing of an experiment and load all of its results.

    Parameters
    ----------
    experiment : str or Experiment
        By name, as in ``python -m sweeps run NAME``, or itself.
    space : Space, optional
        Instead of the declared one.
    axes : mapping, optional
        Values for axes or constants, instead of the declared ones: ``{"length": [0.1, 0.2]}``.
    results, experiments : path, optional
        Folders; by default those of the command line.
    **options
        `engine`, `n_workers`, `limit`, `recompute` and `retry`, as in `Options`.

    Returns
    -------
    xarray.Dataset
        Points that failed are missing in it; ``python -m sweeps failures NAME`` lists them.

    Raises
    ------
    SweepsError
        For what cannot be run, and for results that cannot be written.
    """
    names = {field.name for field in dataclasses.fields(Options)}
    if wrong := sorted(options.keys() - names):
        raise SweepsError(
            f"run() has no option {wrong[0]!r} (it has {', '.join(sorted(names))}); values of an "
            f"axis are given as axes={{{wrong[0]!r}: [...]}}"
        )
    subject = resolve(experiment, results=results, experiments=experiments, axes=axes, space=space)
    try:
        report = execute(subject, Options(**options))
    except Interrupted:
        raise KeyboardInterrupt from None
    if report.is_interrupted:
        raise KeyboardInterrupt
    return loading.load(report.results)


def execute(subject: Subject, options: Options, watch: Watch | None = None) -> Report:
    """Compute the points that the memo lacks, and land the whole space.

    Raises
    ------
    SweepsError
        For what cannot be run; nothing has been computed then.
    StorageError
        Where the memo or the results file cannot be written; what was committed is kept.
    """
    start = time.perf_counter()
    engines.get(options.engine)
    landed = None if options.recompute else _landed_already(subject, options)
    if landed is not None:
        return dataclasses.replace(landed, seconds=time.perf_counter() - start)
    with interruptible() as interruption:
        report = _execute(subject, options, watch, interruption)
    return dataclasses.replace(report, seconds=time.perf_counter() - start)


def _execute(
    subject: Subject, options: Options, watch: Watch | None, interruption: Interruption
) -> Report:
    started = provenance.now()
    index = memo.scan(subject.memo)
    todo = plan(subject, index, recompute=options.recompute, retry=options.retry, keep=True)
    positions = _first(todo.todo, options.limit)
    n_todo = sum(map(len, positions))
    tally = dispatching.Tally()
    if n_todo:
        _prepare(subject)
        progress = Progress(n_todo, 0, 0, todo.n_reused, 0.0)
        tally = _compute(subject, index, positions, progress, options, watch, interruption)
    try:
        gathered = refreshing.refresh(subject, index, started)
    except SweepsError as error:
        raise _unfinished(f"{tally.error or error}", tally) from error
    if tally.error:
        raise _unfinished(tally.error, tally)
    return Report(
        subject.experiment.name,
        todo.n_points,
        todo.n_reused,
        tally.n_computed,
        gathered.count("failed"),
        todo.n_excluded,
        0.0,
        subject.landed,
        subject.fingerprint.digest,
        interruption.is_asked,
        tuple(_warnings(subject, index, options, n_todo)),
    )


def _unfinished(reason: str, tally: dispatching.Tally) -> SweepsError:
    if not tally.n_computed + tally.n_failed:
        return StorageError(reason)
    return UnfinishedError(f"{reason} (finished in this run and kept: {tally.n_computed} points)")


def _landed_already(subject: Subject, options: Options) -> Report | None:
    """Say what the results file holds if it is up to date and nothing is left to do."""
    held = refreshing.fresh_attributes(subject)
    if held is None:
        return None
    n_points, n_done, n_failed = held["n_points"], held["n_done"], held["n_failed"]
    if n_done + n_failed < n_points or (n_failed and options.retry):
        return None
    return Report(
        subject.experiment.name,
        n_points,
        n_done,
        0,
        n_failed,
        held["n_excluded"],
        0.0,
        subject.landed,
        subject.fingerprint.digest,
    )


def _first(pieces: Iterable[Positions], limit: int | None) -> list[Positions]:
    if limit is None:
        return list(pieces)
    kept = []
    for piece in pieces:
        kept.append(piece[:limit])
        limit -= len(kept[-1])
    return [piece for piece in kept if len(piece)]


def _prepare(subject: Subject) -> None:
    """Make the folders, and keep the code beside its results so that a change can be told."""
    files.make_folder(subject.memo)
    code = subject.memo / _CODE
    if not code.exists():
        print_ = subject.fingerprint
        said = {
            "experiment": subject.experiment.name,
            "parts": dict(print_.parts),
            "sources": dict(print_.sources),
            "packages": provenance.of_packages(),
        }
        files.commit(code, [json.dumps(said, indent=1).encode()])


def _compute(
    subject: Subject,
    index: memo.Index,
    positions: list[Positions],
    progress: Progress,
    options: Options,
    watch: Watch | None,
    interruption: Interruption,
) -> dispatching.Tally:
    """Compute points until all are done or the user says stop, and say what came of them."""
    start = last = time.perf_counter()
    started = provenance.now()
    n_workers = dispatching.n_workers(options.n_workers, progress.n_todo, options.engine)
    dispatch = dispatching.Dispatch(
        subject, index, positions, options.engine, n_workers, recompute=options.recompute
    )
    tally = dispatch.tally
    pause = _FIRST_LANDING_S

    def show() -> None:
        if watch is not None:
            now = dataclasses.replace(
                progress,
                n_computed=tally.n_computed,
                n_failed=tally.n_failed,
                seconds=time.perf_counter() - start,
                is_stopping=interruption.is_asked,
            )
            watch(now)

    def stop() -> None:
        dispatch.stop()
        show()

    try:
        show()
        interruption.tell(stop)
        with contextlib.closing(dispatch.receipts()) as receipts:
            for _ in receipts:
                show()
                if time.perf_counter() - last > pause:
                    begun = time.perf_counter()
                    index = refreshing.refresh(subject, index, started).index
                    last = time.perf_counter()
                    pause = max(_FIRST_LANDING_S, LANDING_SHARE * (last - begun))
    finally:
        dispatch.close()
    return tally


def _warnings(subject: Subject, index: memo.Index, options: Options, n_todo: int) -> Iterator[str]:
    for path in index.bad:
        yield f"set aside the damaged segment {path}; its points are computed again"
    if n_todo and subject.experiment.timeout is not None and engines.is_in_process(options.engine):
        yield (
            f"the timeout of {subject.experiment.timeout:g} s was not enforced: --engine "
            f"{options.engine} computes in this process; --engine loky enforces it"
        )
