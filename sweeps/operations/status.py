"""How many points are done, missing, failed and stale; nothing is written."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from sweeps.declaration import checks
from sweeps.declaration.experiment import Experiment
from sweeps.errors import SweepsError
from sweeps.execution.plan import plan_run
from sweeps.history import retyped
from sweeps.memo import index as memo
from sweeps.operations import prediction
from sweeps.operations.prediction import Prediction
from sweeps.progress import presence
from sweeps.project import sweep
from sweeps.project.discovery import Found, find_all
from sweeps.results import adopt, collect, state
from sweeps.spaces.space import Space
from sweeps.text import count, size

_T = TypeVar("_T")


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
    """What a run would do; `reused`, `missing`, `failed` and `stale` add up to `points`.

    Attributes
    ----------
    unwatched : tuple of str
        Messages about files that can change without making results stale.
    notes : tuple of str
        Messages about known points that would be computed again, and how to avoid it.
    prediction : Prediction or None
        What that will cost; None if nothing is known of it, or nothing is to do.
    """

    experiment: str
    points: int
    reused: int
    missing: int
    failed: int
    stale: int
    unwatched: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    prediction: Prediction | None = None

    def _repr_html_(self) -> str:
        from sweeps import markup

        told = (*self.notes, *self.unwatched)
        return markup.card(
            f"Plan of {self.experiment}",
            markup.line(count(self.points, "point")),
            markup.bar(_counts(self, "reused")),
            *map(markup.line, str(self.prediction or "").splitlines()),
            *(markup.line(f"note: {each}") for each in told),
        )


@dataclasses.dataclass(frozen=True)
class Status:
    """Progress of an experiment; `done`, `missing`, `failed` and `stale` add up to `points`.

    Attributes
    ----------
    known : int
        Points that the present code has computed in any space: ``land NAME --all`` writes them.
    landed : int
        Points with values in the results file, of any space and code.
    running : tuple of Running
        Runs that are going on, of any space and code, on any machine.
    silent : tuple of Running
        Runs that have said nothing for long: killed, stopped, or out of reach.
    checkpoints : int
        Points, of any space, that the next run finds a checkpoint of.
    checkpoint_bytes : int
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
    running: tuple[presence.Running, ...] = ()
    silent: tuple[presence.Running, ...] = ()
    checkpoints: int = 0
    checkpoint_bytes: int = 0

    @property
    def left(self) -> str:
        """What points have left to go on from, in words; empty if nothing."""
        if not self.checkpoints:
            return ""
        has = "has a checkpoint" if self.checkpoints == 1 else "have checkpoints"
        n_bytes = size(self.checkpoint_bytes)
        return f"{count(self.checkpoints, 'point')} {has} to go on from ({n_bytes})"

    def _repr_html_(self) -> str:
        from sweeps import markup

        return markup.card(
            f"Status of {self.experiment}",
            markup.line(count(self.points, "point")),
            markup.bar(_counts(self, "done")),
            markup.line(f"{self.known:,} known in any space, {self.landed:,} in the results file"),
            *(markup.line(f"run: {each}") for each in (*self.running, *self.silent)),
            *([markup.line(self.left)] if self.left else []),
        )


def _counts(of: Planned | Status, *first: str) -> dict[str, int]:
    """Numbers of points by their state."""
    return {name: getattr(of, name) for name in (*first, "failed", "stale", "missing")}


def listed(experiments: str | os.PathLike[str] | None = None) -> list[Listed]:
    """List all experiments, and the modules that cannot be imported."""
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
    """Plan a run: what it would reuse, compute and cost; nothing is computed.

    Parameters
    ----------
    experiment, space, axes, only, results, experiments
        As for `sweeps.run`.
    recompute : bool
        Whether the run would recompute points that already have results.
    """
    made = sweep.resolve(
        experiment, results=results, experiments=experiments, axes=axes, space=space, only=only
    )
    return planned(made, recompute=recompute)


def planned(made: sweep.Sweep, *, recompute: bool = False, n_workers: int | None = None) -> Planned:
    """Plan a run of a sweep, and predict its cost for so many workers, or one a core."""
    held = state.held_attributes(made.landed)
    # looking up 10^6 points takes 0.4 s
    landed = None if recompute else state.whole(made, held)
    if landed is not None and not landed.n_failed:
        return _planned_of(made, landed)
    index = adopt.scan(made, held)
    found = _planned(made, index, recompute) if landed is None else _planned_of(made, landed)
    n_left = found.points - found.reused
    predicted = prediction.predict(made, index, n_left, recompute=recompute, n_workers=n_workers)
    return dataclasses.replace(found, prediction=predicted)


def _planned_of(made: sweep.Sweep, landed: state.Counts) -> Planned:
    counts = landed.n_points, landed.n_done, 0, landed.n_failed, 0
    return Planned(made.experiment.name, *counts, made.unwatched)


def _planned(
    made: sweep.Sweep,
    index: memo.Index,
    recompute: bool = False,
    earlier: Sequence[memo.Index] | None = None,
) -> Planned:
    todo = plan_run(made, index, recompute=recompute, earlier=earlier)
    n_refused = 0 if recompute else collect.count_refused(made.experiment, made.keys, index)
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
    """Show how many points of an experiment are done, missing, failed and stale.

    Parameters
    ----------
    experiment, results, experiments
        As for `sweeps.run`.
    """
    made = sweep.resolve(experiment, results=results, experiments=experiments)
    return status_of(made)


def status_of(made: sweep.Sweep) -> Status:
    """Count the points of a sweep; outputs that do not fit the others count as failed."""
    held = state.held_attributes(made.landed)
    landed = state.whole(made, held)
    return of_file(made, landed) if landed else of_index(made, held, adopt.scan(made, held))


def of_file(made: sweep.Sweep, landed: state.Counts) -> Status:
    """Show the points of a sweep whose results file has all of them."""
    return _status(made, _planned_of(made, landed), landed.n_known, landed.n_done)


def of_index(
    made: sweep.Sweep,
    held: Mapping[str, Any],
    index: memo.Index,
    earlier: Sequence[memo.Index] | None = None,
) -> Status:
    """Count the points of a sweep.

    Parameters
    ----------
    held : mapping
        Attributes of its results file.
    index : Index
        What the memo knows of them, as `adopt.scan` finds it.
    earlier : sequence of Index, optional
        What earlier code knows, for those who have read it already.
    """
    todo, n_done = _planned(made, index, earlier=earlier), held.get("n_done")
    return _status(made, todo, index.n_known, n_done if isinstance(n_done, int) else 0)


def _status(made: sweep.Sweep, todo: Planned, n_known: int, n_landed: int) -> Status:
    counts = todo.points, todo.reused, todo.missing, todo.failed, todo.stale
    places = str(made.landed), made.fingerprint.digest
    going_on, silent = runs(made)
    left = []
    if checks.CHECKPOINT in made.experiment.services:
        from sweeps.worker import checkpoints  # few experiments have some

        left = [each.n_bytes for each in checkpoints.kept(made.memo)]
    found = Status(made.experiment.name, *counts, n_known, n_landed, *places, going_on, silent)
    return dataclasses.replace(found, checkpoints=len(left), checkpoint_bytes=sum(left))


def runs(
    made: sweep.Sweep,
) -> tuple[tuple[presence.Running, ...], tuple[presence.Running, ...]]:
    """List the runs of an experiment that go on, and those that are silent."""
    seen = presence.look(made.results, made.experiment.name)
    going_on = tuple(run for run in seen if run.silent_s is None)
    return going_on, tuple(run for run in seen if run.silent_s is not None)


def statuses(
    experiments: str | os.PathLike[str] | None = None,
    results: str | os.PathLike[str] | None = None,
) -> tuple[list[Status], list[str]]:
    """Count the points of all experiments.

    Returns
    -------
    list of Status
    list of str
        Messages about experiments that cannot be counted.
    """
    return _of_all(status_of, experiments, results)


def sweeps(
    experiments: str | os.PathLike[str] | None = None,
    results: str | os.PathLike[str] | None = None,
) -> tuple[list[sweep.Sweep], list[str]]:
    """Make the sweeps of all experiments; and messages about those that have none."""
    return _of_all(lambda made: made, experiments, results)


def _of_all(
    ask: Callable[[sweep.Sweep], _T],
    experiments: str | os.PathLike[str] | None,
    results: str | os.PathLike[str] | None,
) -> tuple[list[_T], list[str]]:
    found, broken = find_all(experiments)
    problems = [f"{b.location.name} cannot be imported: {b.error}" for b in broken]
    answers = []
    for each in found:
        try:
            answers.append(ask(sweep.resolve(each.experiment, results=results)))
        except SweepsError as error:
            problems.append(f"{each.full_name}: {error}")
    return answers, problems
