"""Compute missing points and write the results file; do nothing if it is up to date.

A first run, a run after a kill and a run that extends a grid are the same thing.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from sweeps.code import reads
from sweeps.declaration.experiment import Experiment
from sweeps.engines import guard
from sweeps.errors import StorageError, SweepsError
from sweeps.execution.options import Options, Report
from sweeps.progress.show import Watch, in_python
from sweeps.project.imports import refuse_while_importing
from sweeps.project.sweep import Sweep, given, resolve
from sweeps.results.state import elsewhere, held_attributes, whole
from sweeps.signals import Interrupted, Interruption, interruptible
from sweeps.spaces.space import Space
from sweeps.text import count

if TYPE_CHECKING:
    import xarray


def run(
    experiment: str | Experiment,
    *,
    space: Space | None = None,
    axes: Mapping[str, Any] | None = None,
    only: str | None = None,
    output: str | os.PathLike[str] | None = None,
    results: str | os.PathLike[str] | None = None,
    experiments: str | os.PathLike[str] | None = None,
    **options: Any,
) -> xarray.Dataset:
    """Compute the missing points of an experiment and load all its results.

    Parameters
    ----------
    experiment : str or Experiment
        The experiment, or its name, as in ``python -m sweeps run NAME``.
    space : Space, optional
        A space to use instead of the declared one.
    axes : mapping, optional
        Values for axes or constants, instead of the declared ones: ``{"length": [0.1, 0.2]}``.
    only : str, optional
        A condition; only points that meet it are computed: ``"length < 0.5"``.
    output : path, optional
        File to write instead of ``results/NAME.h5``.
    results, experiments : path, optional
        Folders; by default those of the command line.
    **options
        `engine`, `n_workers`, `limit`, `memory_limit`, `recompute`, `retry`, `failed`, `kind`,
        `retry_before` and `quiet`, as in `Options`.

    Returns
    -------
    xarray.Dataset
        Failed points are missing in it; `sweeps.failures` lists them.

    Warns
    -----
    UserWarning
        About failed points, and other problems that did not stop the run, such as a summary that
        raises.

    Raises
    ------
    SweepsError
        If the experiment cannot run, or results cannot be written.
    """
    refuse_while_importing("run()")
    if "shard" in options:
        raise SweepsError(
            "run() returns all results, so it has no shards: call work(), with the same shard"
        )
    asked = given_options("run()", options)
    sweep = resolve(
        experiment, results=results, experiments=experiments, axes=axes, space=space, only=only
    )
    landing = elsewhere(sweep, output)
    try:
        with in_python(sweep.experiment.name, is_shown=not asked.quiet) as watch:
            report = execute(landing, asked, watch)
    except Interrupted:
        raise KeyboardInterrupt from None
    for told in (*report.warnings, *_failed(report, experiment, axes)):
        warnings.warn(told, stacklevel=_caller())
    if report.is_interrupted:
        raise KeyboardInterrupt
    from sweeps.results import deliver  # not needed by the command where nothing is to do

    dataset = deliver.deliver(landing, report.state)
    if not reads.is_of_use():
        return dataset
    if axes is None and space is None and only is None:
        return _noted(sweep, dataset, is_declared=True)
    return _noted(resolve(experiment, results=results, experiments=experiments), dataset)


def given_options(caller: str, options: Mapping[str, Any]) -> Options:
    """Make the options of a run from keyword arguments."""
    names = {field.name for field in dataclasses.fields(Options)}
    if wrong := sorted(options.keys() - names):
        raise SweepsError(
            f"{caller} has no option {wrong[0]!r} (it has {', '.join(sorted(names))}); give "
            f"values of an axis as axes={{{wrong[0]!r}: [...]}}"
        )
    return Options(**options)


def _noted(
    declared: Sweep, dataset: xarray.Dataset, *, is_declared: bool = False
) -> xarray.Dataset:
    """Record, for a point that called `run`, whose results it uses and which of them it reads."""
    from sweeps.results import watched

    name = f"{declared.experiment.module}.{declared.experiment.name}"

    def note(is_whole: bool) -> None:
        said = given(declared, has_space=is_whole)
        reads.note(reads.Read("run", name, "", "", "space" if is_whole else "", said))

    note(not is_declared)
    if not is_declared:
        return dataset
    place = reads.place(declared.landed, declared.results)
    return watched.watch(dataset, place, also=note)


def _caller() -> int:
    """Number of frames up to the user's line; `Experiment.run` calls `run`, too."""
    own, frame, level = os.path.dirname(os.path.dirname(__file__)), sys._getframe(1), 1  # noqa: PTH120
    while frame.f_back is not None and frame.f_code.co_filename.startswith(own):
        frame, level = frame.f_back, level + 1
    return level


def _failed(
    report: Report, experiment: str | Experiment, axes: Mapping[str, Any] | None
) -> Iterator[str]:
    if report.n_failed:
        first = f"; the first at {report.first_failure}" if report.first_failure else ""
        asked = repr(experiment) if isinstance(experiment, str) else report.experiment
        with_axes = ", axes=…" if axes else ""
        yield (
            f"{report.n_failed:,} of {count(report.n_points, 'point')} of {report.experiment!r} "
            f"failed{first}; see all: sweeps.failures({asked}{with_axes})"
        )


def execute(
    sweep: Sweep,
    options: Options,
    watch: Watch | None = None,
    *,
    is_only_one: bool = False,
) -> Report:
    """Compute the points without stored results, and write the results file.

    Parameters
    ----------
    is_only_one : bool
        Whether no other run follows in this process that could use the workers.

    Raises
    ------
    SweepsError
        If the experiment cannot run; nothing has been computed then.
    StorageError
        If results cannot be written; what was committed is kept.
    """
    start = time.perf_counter()
    if sweep.landed.is_dir() and not sweep.landed.is_symlink():  # which alone is not replaced
        raise StorageError(
            f"cannot write {sweep.landed}: it is a folder: move it away, or write elsewhere "
            "with --output or --results"
        )
    held = held_attributes(sweep.landed)
    landed = None if options.recompute else _landed_already(sweep, held, options)
    if landed is not None:
        return dataclasses.replace(landed, seconds=time.perf_counter() - start)
    with (
        may_end(options, is_only_one=is_only_one) as interruption,
        options.carrier.expected(),
    ):
        # Imported only now, because a run with nothing to do does not need it.
        from sweeps.execution import compute

        report = compute.compute(
            sweep, held, options, watch, interruption, keeps_workers=not is_only_one
        )
    return dataclasses.replace(report, seconds=time.perf_counter() - start)


@contextlib.contextmanager
def may_end(options: Options, *, is_only_one: bool) -> Iterator[Interruption]:
    """Let signals ask a run to end; leave nothing behind of one that is the only one."""
    at_last = guard.end_process if is_only_one else None
    is_here = is_only_one and not options.carrier.isolates
    with guard.nothing_left(is_here), interruptible(at_last) as interruption:
        yield interruption


def _landed_already(sweep: Sweep, held: Mapping[str, Any], options: Options) -> Report | None:
    """Report on the results file if it is up to date and nothing is left to do, else None."""
    counts = whole(sweep, held)
    if counts is None or (counts.n_failed and options.retry):
        return None
    why = ""
    if counts.n_failed:
        from sweeps.memo import index as memo
        from sweeps.results import collect

        index = memo.scan(sweep.memo)
        why = collect.first_failure(collect.gather(sweep.experiment, sweep.keys, index))
    return Report(
        experiment=sweep.experiment.name,
        n_points=counts.n_points,
        n_reused=counts.n_done,
        n_computed=0,
        n_failed=counts.n_failed,
        n_excluded=counts.n_excluded,
        seconds=0.0,
        results=sweep.landed,
        fingerprint=sweep.fingerprint.digest,
        warnings=sweep.unwatched,
        state=counts.state,
        first_failure=why,
    )
