"""Reporting: what is there, what is missing, what failed. Reads only."""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sweeps import (
    adopting,
    gathering,
    loading,
    locating,
    memo,
    options,
    planning,
    reads,
    retyped,
    subject,
    underway,
)
from sweeps import printed as texts
from sweeps.declaring import Experiment
from sweeps.errors import DeclarationError, StorageError, SweepsError
from sweeps.finding import Found, find_all
from sweeps.space import Space

if TYPE_CHECKING:
    import xarray


@dataclasses.dataclass(frozen=True)
class Listed:
    """An experiment, or a module that could not be imported."""

    name: str
    module: str
    points: int | None
    summary: str
    error: str | None


@dataclasses.dataclass(frozen=True)
class Planned:
    """What a run would do; `reused` to `stale` add up to `points`.

    Attributes
    ----------
    unwatched : tuple of str
        What can change without making anything stale, in words.
    notes : tuple of str
        Known points that would be computed again, and how to avoid it.
    """

    experiment: str
    points: int
    reused: int
    missing: int
    failed: int
    stale: int
    unwatched: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Status:
    """How far an experiment is; `done` to `stale` add up to `points`.

    Attributes
    ----------
    known : int
        Points that the present code has computed, those of other spaces too: what
        ``land NAME --all`` lands.
    landed : int
        Points with values in the results file, of whatever space and code it is.
    running : tuple of Running
        Runs that go on, of whatever space and code.
    """

    experiment: str
    points: int
    done: int
    missing: int
    failed: int
    stale: int
    known: int
    landed: int
    results: str
    fingerprint: str
    running: tuple[underway.Running, ...] = ()


@dataclasses.dataclass(frozen=True)
class PrintedPoint:
    """What a point printed, and what it warned of: category and message, then where."""

    position: int
    params: Mapping[str, Any]
    printed: str
    warnings: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class FailedPoint:
    """A point that has no values, and why.

    Attributes
    ----------
    position : int
        Its number in the space, as in the results file: what ``reproduce --point`` takes.
    """

    position: int
    params: Mapping[str, Any]
    kind: str
    type: str
    message: str
    traceback: str = dataclasses.field(repr=False)
    attempts: int


def listed(experiments: str | os.PathLike[str] | None = None) -> list[Listed]:
    """List all experiments that can be found, and the modules that cannot be imported."""
    found, broken = find_all(experiments)
    rows = [_listed(each) for each in found]
    return rows + [Listed(b.location.name, b.location.module, None, "", b.error) for b in broken]


def _listed(found: Found) -> Listed:
    made, module = found.experiment, found.location.module
    try:
        return Listed(made.name, module, len(made.space), made.about, None)
    except SweepsError as error:  # a predicate of `where` that raises, a space too large to count
        return Listed(made.name, module, None, made.about, str(error))


def plan(
    experiment: str | Experiment,
    *,
    space: Space | None = None,
    axes: Mapping[str, Any] | None = None,
    only: str | None = None,
    results: str | os.PathLike[str] | None = None,
    experiments: str | os.PathLike[str] | None = None,
    recompute: bool = False,
) -> Planned:
    """Say what a run would do; nothing is computed.

    Parameters
    ----------
    experiment, space, axes, only, results, experiments
        As for `sweeps.run`.
    recompute : bool
        Whether the run would compute known points again.
    """
    made = subject.resolve(
        experiment, results=results, experiments=experiments, axes=axes, space=space, only=only
    )
    return planned(made, recompute=recompute)


def planned(made: subject.Subject, *, recompute: bool = False) -> Planned:
    """Say what a run of a subject would do."""
    held = subject.held_attributes(made.landed)
    # 10^6 points are looked up in 0.4 s
    landed = None if recompute else subject.whole(made, held)
    if landed is not None:
        return _planned_of(made, landed)
    return _planned(made, adopting.scan(made, held), recompute)


def _planned_of(made: subject.Subject, landed: subject.Counts) -> Planned:
    counts = landed.n_points, landed.n_done, 0, landed.n_failed, 0
    return Planned(made.experiment.name, *counts, made.unwatched)


def _planned(made: subject.Subject, index: memo.Index, recompute: bool = False) -> Planned:
    todo = subject.plan(made, index, recompute=recompute)
    n_refused = 0 if recompute else gathering.count_refused(made.experiment, made.keys, index)
    return Planned(
        made.experiment.name,
        todo.n_points,
        todo.n_reused - n_refused,
        todo.n_missing,
        todo.n_failed + n_refused,
        todo.n_stale,
        made.unwatched,
        tuple(retyped.told(made.keys, index)) if todo.n_missing and not recompute else (),
    )


def status(
    experiment: str | Experiment,
    *,
    results: str | os.PathLike[str] | None = None,
    experiments: str | os.PathLike[str] | None = None,
) -> Status:
    """Say how far an experiment is.

    Parameters
    ----------
    experiment, results, experiments
        As for `sweeps.run`.
    """
    made = subject.resolve(experiment, results=results, experiments=experiments)
    return status_of(made)


def status_of(made: subject.Subject) -> Status:
    """Say how far a subject is; outputs that do not fit each other count as failed."""
    held = subject.held_attributes(made.landed)
    landed = subject.whole(made, held)
    if landed is not None:
        todo, n_known, n_landed = _planned_of(made, landed), landed.n_known, landed.n_done
    else:
        index, n_done = adopting.scan(made, held), held.get("n_done")
        todo, n_known = _planned(made, index), index.n_known
        n_landed = n_done if isinstance(n_done, int) else 0
    counts = todo.points, todo.reused, todo.missing, todo.failed, todo.stale
    places = str(made.landed), made.fingerprint.digest
    going_on = tuple(underway.look(made.results, made.experiment.name))
    return Status(made.experiment.name, *counts, n_known, n_landed, *places, going_on)


def statuses(
    experiments: str | os.PathLike[str] | None = None,
    results: str | os.PathLike[str] | None = None,
) -> tuple[list[Status], list[str]]:
    """Say how far all experiments are.

    Returns
    -------
    list of Status
    list of str
        What is wrong with those that cannot be told of.
    """
    found, broken = find_all(experiments)
    problems = [f"{b.location.name} cannot be imported: {b.error}" for b in broken]
    rows = []
    for each in found:
        try:
            rows.append(status(each.experiment, results=results))
        except SweepsError as error:
            problems.append(f"{each.full_name}: {error}")
    return rows, problems


def failures(
    experiment: str | Experiment,
    *,
    space: Space | None = None,
    axes: Mapping[str, Any] | None = None,
    only: str | None = None,
    results: str | os.PathLike[str] | None = None,
    experiments: str | os.PathLike[str] | None = None,
) -> list[FailedPoint]:
    """List the points that failed, each with its parameters, why, and a traceback.

    Parameters
    ----------
    experiment, space, axes, only, results, experiments
        As for `sweeps.run`.

    Returns
    -------
    list of FailedPoint
        In the order of the space. `params` of one holds the values of its parameters; `kind` is
        "exception", "timeout", "died" or "output".

    Examples
    --------
    >>> [(each.params["x"], each.message) for each in sweeps.failures("half")]  # doctest: +SKIP
    [(1, 'odd: 1'), (3, 'odd: 3')]
    """
    return failures_of(
        subject.resolve(
            experiment, results=results, experiments=experiments, axes=axes, space=space, only=only
        )
    )


def failures_of(made: subject.Subject) -> list[FailedPoint]:
    """List the failed points of a subject, in the order of its space."""
    index = adopting.scan(made, subject.held_attributes(made.landed))
    gathered = gathering.gather(made.experiment, made.keys, index)
    at = sorted(gathered.failures)
    points = made.experiment.space.parameters_at(np.array(at, dtype=np.int64), labels=True)
    return [
        FailedPoint(position, params, f.kind, f.type, f.message, f.traceback, f.attempts)
        for position, params in zip(at, points, strict=True)
        for f in [gathered.failures[position]]
    ]


def printed(made: subject.Subject) -> list[PrintedPoint]:
    """List the points of a subject that printed or warned of something, in its order."""
    known, found = texts.read(made.memo), []
    space = made.experiment.space
    for start in range(0, len(space) if known else 0, planning.STEP):
        positions = space.positions(start, min(start + planning.STEP, len(space)))
        own = texts.find(known, made.keys(positions))
        at = positions[list(own)] if own else positions[:0]
        rows = zip(at.tolist(), space.parameters_at(at, labels=True), own.values(), strict=True)
        found += [PrintedPoint(n, params, t.printed, t.warnings) for n, params, t in rows]
    return found


def load(
    experiment: str | os.PathLike[str] | Experiment,
    *,
    group: str | None = None,
    results: str | os.PathLike[str] | None = None,
    masked: bool = True,
) -> xarray.Dataset:
    """Load the results of an experiment.

    Parameters
    ----------
    experiment : str, path or Experiment
        A name, looked for in the folder of results, or the path of a results file.
    group : str, optional
        Group of the file to load instead of the results: ``"summary"`` for what the experiment's
        summary made of them.
    results : path, optional
        Folder of results; by default SWEEPS_RESULTS, else ``results``.
    masked : bool
        Whether integers and bools with missing points become floats with NaN. If not, they stay
        the integers that they are, and the attribute ``_FillValue`` says which one is missing.

    Returns
    -------
    xarray.Dataset
        Dimensions and coordinates as the space has them; missing points are NaN.

    Warns
    -----
    UserWarning
        Where integers beyond 2^53 are rounded, since floats do not have them.

    Raises
    ------
    StorageError
        Where there is no such file or group, or it cannot be read.

    Warns
    -----
    UserWarning
        Where a run goes on, with how far it is: the file has what was landed last.
    """
    path = results_path(experiment, results)
    _tell_running(path)
    if not reads.is_of_use() and not reads.is_of_script():
        return loading.load(path, group, masked=masked)
    from sweeps import watched

    return watched.load(path, group, masked=masked)


def _tell_running(path: Path) -> None:
    """Warn of a run that goes on, or say so in place of the results if there are none yet."""
    refuse_unlanded(path)
    for each in () if locating.is_in_point() else running(path):
        told = f"{each}; the results of {path.stem!r} are those that were landed last"
        warnings.warn(told, stacklevel=3)


def refuse_unlanded(path: Path) -> None:
    """Say that a run goes on which has landed nothing yet.

    Raises
    ------
    StorageError
    """
    if not path.exists():
        for each in running(path):
            raise StorageError(f"no results file {path} yet: {each}")


def running(path: Path) -> tuple[underway.Running, ...]:
    """List the runs that go on which will land in a results file, of whatever code."""
    return tuple(underway.look(path.parent, path.stem))


def results_path(
    experiment: str | os.PathLike[str] | Experiment,
    results: str | os.PathLike[str] | None = None,
) -> Path:
    """Path of a results file, by the experiment or by itself.

    A path is what ends in ``.h5`` or has more than one part; it may lead anywhere. A name stays in
    the folder of results.
    """
    if isinstance(experiment, Experiment):
        experiment = experiment.name
    path = Path(experiment)
    if isinstance(experiment, os.PathLike) or path.suffix == ".h5" or len(path.parts) > 1:
        return path
    name = experiment.rpartition(".")[2]  # of module.name
    if not options.is_name(name):
        raise DeclarationError(
            f"{experiment!r:.200} is no name of an experiment and no path of a results file: give "
            "a name, as `python -m sweeps list` shows it, or a path that ends in .h5"
        )
    return locating.results_folder(results) / f"{name}.h5"
