"""Compute one point again in this process, as a worker does, and compare it with what is stored.

Nothing is stored.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from sweeps import signals
from sweeps.declaration import checks
from sweeps.execution import brief
from sweeps.history import stored_point
from sweeps.history.differences import Pair, pair
from sweeps.history.stored_point import Recalled
from sweeps.outputs import failures, schema
from sweeps.outputs.columns import tabulate
from sweeps.outputs.failures import Reason
from sweeps.project.sweep import Sweep
from sweeps.signals import Interrupted
from sweeps.spaces import values
from sweeps.storage.files import results_in
from sweeps.storage.hdf5 import Array
from sweeps.worker import evaluate, resources, scratch
from sweeps.worker.call import Called

Debug = Callable[[BaseException], None]


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
    """A point, and what is stored for it.

    Attributes
    ----------
    parameters : mapping of str to object
        Parameters of the point, and constants; labels stand for labelled objects.
    """

    sweep: Sweep
    position: int
    parameters: Mapping[str, Any]
    stored: Recalled


@dataclasses.dataclass(frozen=True, eq=False)
class Reproduced:
    """The outcome of a point in this process.

    Attributes
    ----------
    raised : Reason or None
        What the function raised, or why its value cannot be stored.
    compared : tuple of Pair
        Its outputs and their coordinates; only the stored ones if it raised.
    warnings : tuple of str
    """

    case: Case
    seconds: float
    raised: Reason | None
    compared: tuple[Pair, ...]
    warnings: tuple[str, ...] = ()

    @property
    def is_equal(self) -> bool | None:
        """Whether all values are equal to the last bit; None if none were stored."""
        if self.case.stored.values is None:
            return None
        return self.raised is None and all(each.is_equal for each in self.compared)

    @property
    def is_same_failure(self) -> bool:
        """Whether it failed in the same way as before."""
        before = self.case.stored.failure
        if self.raised is None or before is None:
            return False
        return self.raised[:3] == (before.kind, before.type, before.message)


def case(sweep: Sweep, position: int) -> Case:
    """Look up a point by its position in the space."""
    experiment = sweep.experiment
    (own,) = experiment.space.parameters_at(np.array([position]), labels=True)
    constants = {
        name: values.label(element) if isinstance(element, values.Labelled) else element
        for name, table in experiment.constants.items()
        for element in table.elements()
    }
    return Case(sweep, position, own | constants | own, stored_point.recall(sweep, position))


def reproduce(case: Case, debug: Debug | None = None) -> Reproduced:
    """Compute a point in this thread, with the code in memory, and compare.

    Parameters
    ----------
    debug : callable, optional
        Called with what the function raises, while its resources are open.

    Raises
    ------
    CannotOpenError
        If a resource cannot be opened.
    Interrupted
        At Ctrl-C.
    """
    called, raised, warnings = _call(case, debug)
    now: Mapping[str, Array] = {}
    if raised is None:
        now, raised = _outputs(case, called)
    stored = case.stored.values or {}
    names = {**now, **stored} if case.stored.values is not None or raised is None else {}
    compared = [pair(name, now.get(name), stored.get(name)) for name in names]
    return Reproduced(case, called.busy_s, raised, tuple(compared), warnings)


def _call(case: Case, debug: Debug | None) -> tuple[Called, Reason | None, tuple[str, ...]]:
    """Call the function as a worker does, without limits, and with its resources here."""
    sweep, experiment = case.sweep, case.sweep.experiment
    at = np.array([case.position], dtype=np.int64)
    settings = dataclasses.replace(brief.settings(sweep, Path()), block_s=math.inf)
    recorder, surroundings = scratch.Recorder(None), brief.surroundings(sweep)
    task = evaluate.task(experiment, settings, recorder, surroundings)
    watch = _Watch(task.experiment.function)
    watched = dataclasses.replace(task.experiment, function=watch.function, timeout=None)
    task = dataclasses.replace(task, experiment=watched, stores_files=False)
    given, columns = evaluate.arguments(task, at)
    called: Called | None = None
    warnings: tuple[str, ...] = ()
    try:
        with (
            surroundings.held(),
            results_in(sweep.results),
            signals.interruptible_at_once(),
            resources.opened(watched) as call,
            _debugged(watch, debug),
        ):
            called = call(given, columns, 1, recorder, evaluate.limits(task, at))
    except (Interrupted, KeyboardInterrupt):
        raise
    except BaseException as error:
        if called is None:
            raise
        said = f"{type(error).__name__}: {error}"
        warnings = (f"a resource of {experiment.name!r} could not be closed: {said}",)
    failed = called.failures[0][1] if called.failures else None
    return called, watch.why or failed, warnings


class _Watch:
    """A function that records what it raises, with a traceback that begins at its own frame."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.error: BaseException | None = None
        self.why: Reason | None = None
        self.frames: TracebackType | None = None

        @functools.wraps(function)
        def call(**arguments: Any) -> Any:
            try:
                return function(**arguments)
            except BaseException as error:
                self._keep(error)
                raise

        @functools.wraps(function)
        async def call_async(**arguments: Any) -> Any:
            try:
                return await function(**arguments)
            except BaseException as error:
                self._keep(error)
                raise

        self.function = call_async if checks.is_async(function) else call

    def _keep(self, error: BaseException) -> None:
        frames = failures.frames_of(error)
        self.why = failures.raised(error)
        if isinstance(error, Interrupted):  # the last frame belongs to the signal handler
            self.error, self.frames = KeyboardInterrupt(), _without_last(frames)
        else:
            self.error, self.frames = error, frames


def _without_last(frames: TracebackType | None) -> TracebackType | None:
    if frames is None or frames.tb_next is None:
        return None
    return TracebackType(
        _without_last(frames.tb_next), frames.tb_frame, frames.tb_lasti, frames.tb_lineno
    )


@contextlib.contextmanager
def _debugged(watch: _Watch, debug: Debug | None) -> Iterator[None]:
    """Open the debugger where the function raised, or where Ctrl-C stopped it."""
    try:
        yield
    finally:
        if watch.error is not None and debug is not None:
            with signals.interruptible_as_usual():
                debug(watch.error.with_traceback(watch.frames))


def _outputs(case: Case, called: Called) -> tuple[dict[str, Array], Reason | None]:
    """Outputs and coordinates as they would be stored, or why they cannot be stored."""
    made = case.sweep.experiment
    if called.pieces:
        ((_, variables),) = called.pieces
        coordinates: dict[str, Array] = {}
    else:
        keys = case.sweep.keys(np.array([case.position], dtype=np.int64))
        parts, refused = tabulate(
            called.returned,
            keys,
            called.elapsed,
            name=made.name,
            dims=made.dims,
            taken=made.taken,
            units=made.units,
        )
        if refused:
            return {}, failures.refused(refused[0][1])
        variables = parts[0].variables
        coordinates = {c.name: c.values for c in parts[0].coordinates}
    own = {schema.shown(v.name, made.name): v.values[0, ...] for v in variables}
    return own | coordinates, None
