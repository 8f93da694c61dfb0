"""Evaluate a block: make arguments, call the function, keep what it returned, commit that."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import os
import threading
import time
import traceback
from collections.abc import Hashable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any

import numpy as np

from sweeps.code import fingerprint, reads
from sweeps.declaration import checks
from sweeps.declaration.checks import CHECKPOINT, REPORT
from sweeps.declaration.experiment import Experiment
from sweeps.engines import Block, Receipt, Refusal
from sweeps.errors import StorageError
from sweeps.memo import listing, segment
from sweeps.outputs import schema
from sweeps.outputs.columns import joined, tabulate, uniform
from sweeps.outputs.failures import Failure, Reason, refused
from sweeps.outputs.file import File, marked
from sweeps.outputs.types import Part, Variable
from sweeps.spaces import product
from sweeps.spaces.generators import Generators
from sweeps.spaces.keys import MIN_PRODUCT, RNG, KeyMaker, written
from sweeps.spaces.product import Places
from sweeps.spaces.values import Values
from sweeps.storage import files
from sweeps.storage.hdf5 import Array
from sweeps.storage.pack_writer import Writer
from sweeps.worker import capture, host, memory_limit, resources, scratch
from sweeps.worker.call import Called, Limits, call_each, restore
from sweeps.worker.isolation import copies
from sweeps.worker.isolation.contents import PLAIN, Traces
from sweeps.worker.isolation.surroundings import Surroundings, keys_by_place

if TYPE_CHECKING:
    from sweeps.worker.checkpoints import Store

_making = threading.Lock()  # threads share a task

_ALONE = "use --engine loky"

_MOST_TOLD = 64  # points of a block whose times the run hears: more take no time each

_MOST_FORMS = 20  # that a worker tells of: one is usual, and two are news


@dataclasses.dataclass(frozen=True, eq=False)
class Settings:
    """How blocks are evaluated."""

    keys: KeyMaker  # the points, and what identifies them
    passed: tuple[str, ...]  # parameters that the function gets
    constants: Mapping[str, Any]  # arguments that all points share
    taken: frozenset[str]  # names that outputs cannot have
    memo: Path  # folder for the segments
    folder: Path  # temporary folder of the run
    block_s: float  # seconds after which a worker commits what it has
    # Functions and classes behind values of parameters, and what they were when the run began.
    behind_values: tuple[tuple[Any, str], ...] = ()
    seed: int = 0  # of the random streams; part of the keys, so the run's own
    # Files that the results depend on, and how they were when the run began.
    data: Mapping[Path, fingerprint.State] = dataclasses.field(default_factory=dict)
    results: Path | None = None  # folder of results of the run, for what points call
    memory_bytes: int | None = None  # limit to the memory of a worker process
    clock_ns: int = 0  # for the ages of the values, as `index.clock` says
    reads: tuple[reads.Read, ...] = ()  # what modules have read of other results
    is_random: bool = False  # whether the code mentions random numbers
    # Settings of the parent that a worker process starts with, and the filters of `warnings`.
    state: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    modules: tuple[str, ...] = ()  # those of the project that the function reaches
    services: tuple[str, ...] = ()  # arguments that the worker gives, as of the experiment
    checkpoints: Path | None = None  # folder for those of points; None for temporary ones


@dataclasses.dataclass(frozen=True, eq=False)
class Task:
    """A job made ready in this process."""

    experiment: Experiment
    settings: Settings
    recorder: scratch.Recorder
    originals: copies.Originals | None  # where points could change what they are given
    reads: reads.Recorder
    surroundings: Surroundings
    traces: Traces
    hosts: list[host.Host] = dataclasses.field(default_factory=list)  # that are free
    met: set[Hashable] = dataclasses.field(default_factory=set)  # forms of outputs
    stores_files: bool = True
    writers: list[Writer] = dataclasses.field(default_factory=list)  # one, from the first file on
    checkpoints: Store | None = None  # where points have some

    @property
    def writer(self) -> Writer:
        """Where the files go that points hand over."""
        with _making:
            if not self.writers:
                self.writers.append(Writer(self.settings.memo))
            return self.writers[0]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a user should know of the values, which are kept."""
        uncopied = self.originals.shared if self.originals is not None else ()
        kept = self.checkpoints.warnings if self.checkpoints is not None else ()
        shared = sorted(self.surroundings.shared)
        said = (
            "points change objects that they share with points computed at the same time "
            f"({', '.join(shared)}): {_ALONE}"
        )
        return (*uncopied, *kept, *([said] if shared else []))


def task(
    experiment: Experiment,
    settings: Settings,
    recorder: scratch.Recorder,
    surroundings: Surroundings,
) -> Task:
    """Make a task, in which no point sees what another one did to the things that it is given."""
    tables = {name: column.table for name, column in settings.keys.space.columns.items()}
    tables = {name: table for name, table in tables.items() if name in settings.passed}
    originals = None
    if _may_change([*settings.constants.values()], tables.values(), experiment.function):
        originals = copies.Originals(tables)
        function, constants = originals.function(experiment.function, settings.constants)
        if function is not experiment.function:
            experiment = dataclasses.replace(experiment, function=function)
            settings = dataclasses.replace(settings, constants=constants)
    noted = reads.Recorder(settings.reads)
    left = Traces(settings.modules, experiment.function)
    store = None
    if settings.services:
        from sweeps.worker.checkpoints import Store  # few experiments need them
        from sweeps.worker.long_points import helped

        store = Store(settings.checkpoints)
        helping = helped(experiment.function, settings.services, store)
        experiment = dataclasses.replace(experiment, function=helping)
    own = (originals, noted, surroundings, left)
    return Task(experiment, settings, recorder, *own, checkpoints=store)


def _may_change(constants: list[Any], tables: Iterable[Values], function: Any) -> bool:
    """Whether points are given anything but numbers and texts by a function that keeps nothing."""
    if type(function) is not FunctionType or function.__closure__ or vars(function):
        return True
    defaults = (function.__defaults__ or ()), (function.__kwdefaults__ or {}).values()
    held = itertools.chain(constants, *defaults)
    return any(type(each) not in PLAIN for each in held) or any(t.objects for t in tables)


def evaluate(task: Task, block: Block) -> Receipt | Refusal:
    """Evaluate a block until it is done or its time is over, and commit what is finished."""
    try:
        return _evaluate(task, block)
    except (MemoryError, OSError) as error:
        # The points returned too much, or have closed the files of the event loop.
        memory_limit.impose(None)
        task.recorder.die(f"{type(error).__name__}: {error}", traceback.format_exc())
        raise
    finally:
        task.recorder.end()


def _evaluate(task: Task, block: Block) -> Receipt | Refusal:
    if scratch.is_asked_to_stop(task.settings.folder):
        return Receipt(block.number, 0, 0, len(block), 0.0)
    n_errors = task.writer.begin() if File.is_used else 0
    try:
        with _around(task):
            called = call(task, block)
    except resources.CannotOpenError as error:
        if scratch.is_asked_to_stop(task.settings.folder):
            return Receipt(block.number, 0, 0, len(block), 0.0)
        return Refusal(str(error))
    parts, failures = _tabulate(task, block, called)
    store = task.checkpoints
    if store is not None:  # what had no folder has not failed
        failures = [each for each in failures if each.key not in store.refused]
    if changed := fingerprint.changed(task.settings.data):  # the values may be of either content
        return Refusal(changed)
    error_text = ""
    try:
        if parts:
            task.reads.keep(task.settings.memo)
        if parts and File.is_used:
            task.writer.commit(n_errors)  # before the segment that names what is in it
        if parts or failures:
            created_ns = task.settings.clock_ns + time.monotonic_ns()
            note = task.settings.folder / listing.DRAFT_NOTE
            if not os.path.exists(note):  # noqa: PTH110 - 2 µs
                segment.commit(task.settings.memo, parts, failures, created_ns)
            else:
                from sweeps.worker import placing  # which few runs need

                placing.commit(note, task.settings.keys, block, parts, failures, created_ns)
        if store is not None:
            store.forget(key for part in parts for key in written(part.keys).tolist())
    except StorageError as error:
        error_text = str(error)
    if store is not None and store.refused:
        return Refusal(error_text or next(iter(store.refused.values())))
    n_begun = len(called.elapsed)
    return Receipt(
        block.number,
        n_begun - len(failures),
        len(failures),
        len(block) - n_begun,
        called.busy_s,
        error=error_text,
        warnings=task.warnings,
        forms=tuple(_new_forms(task, block, parts)),
        traces=task.traces.found(),
        elapsed=called.elapsed if n_begun <= _MOST_TOLD else None,
    )


@contextlib.contextmanager
def _around(task: Task) -> Iterator[None]:
    """Say what belongs to the run while points are called."""
    settings = task.settings
    with (
        files.results_in(settings.results),
        files.scratch_in(settings.folder),
        reads.recorded(task.reads),
    ):
        yield


def values(task: Task, block: Block) -> tuple[list[Part], list[Failure]]:
    """Evaluate a block in full, and commit nothing."""
    task = dataclasses.replace(task, stores_files=False)
    with _around(task):
        return _tabulate(task, block, call(task, block))


def _new_forms(task: Task, block: Block, parts: Iterable[Part]) -> Iterator[schema.Form]:
    """Describe outputs that look as this worker has not met them before."""
    for part in parts:
        headers = tuple(map(schema.form_of, part.variables))
        kind = schema.kind(headers, part.coordinates)
        if kind in task.met or len(task.met) >= _MOST_FORMS:
            continue
        task.met.add(kind)
        own = task.settings.keys(block.at)
        first = int((own == written(part.keys)[:1]).all(axis=1).argmax())
        yield int(block.at[first]), headers, part.coordinates


def arguments(task: Task, places: Places) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """What the function is given at all points, and the columns that it is given of each."""
    settings = task.settings
    columns: Mapping[str, Any] | None = None
    if isinstance(places, range) and len(places) >= MIN_PRODUCT:
        from sweeps.spaces import grid  # which few points do not need

        columns = grid.columns(settings.keys.space, places, settings.passed)
    if columns is None:
        columns = settings.keys.space.arguments_at(product.written(places), settings.passed)
    if task.originals is not None:
        columns = {name: task.originals.column(name, own) for name, own in columns.items()}
    given = {name: value for name, value in settings.constants.items() if name not in columns}
    more: dict[str, Any] = {}
    if (streams := settings.keys.streams(places)) is not None:
        more[RNG] = Generators(settings.seed, streams)
    if CHECKPOINT in settings.services:
        more[CHECKPOINT] = settings.keys(product.written(places)).tolist()
    if REPORT in settings.services:
        more[REPORT] = range(len(places))
    return given, {**columns, **more} if more else columns


def call(task: Task, block: Block) -> Called:
    """Call the function at the points of a block, in the way that is declared."""
    given, columns = arguments(task, block.positions)
    own = limits(task, block.positions)
    with task.surroundings.held(), capture.at(task.recorder), caller(task) as call_points:
        restore(task.recorder, own)  # what came in between, as of a thread left behind
        task.recorder.begin(block.number)
        try:
            called = call_points(given, columns, len(block), task.recorder, own)
            task.recorder.suspect_all(len(called.elapsed))
        finally:
            task.recorder.disarm()
            restore(task.recorder, own)
    return called


def limits(task: Task, places: Places) -> Limits:
    """Return how long to go on with points, and what else their calls must know."""
    experiment, settings = task.experiment, task.settings
    return Limits(
        block_s=settings.block_s,
        timeout=experiment.timeout,
        name=experiment.name,
        dims=experiment.dims,
        taken=settings.taken,
        surroundings=task.surroundings,
        key=keys_by_place(lambda some: settings.keys(product.written(some)), places),
        units=experiment.units,
        writer=lambda: task.writer if task.stores_files else None,
    )


def needs_host(experiment: Experiment) -> bool:
    """Whether a thread of its own calls the function: it has resources, or is a coroutine."""
    return bool(experiment.resources) or checks.is_async(experiment.function)


def caller(task: Task) -> AbstractContextManager[resources.Call]:
    """Lend what calls the function of a task.

    Raises
    ------
    CannotOpenError
        If a resource cannot be opened.
    """
    experiment = task.experiment
    if needs_host(experiment):
        return host.lent(task.hosts, experiment, task.settings.folder)
    if experiment.vectorized:
        from sweeps.worker.call_columns import call_columns  # which most experiments do not need

        return contextlib.nullcontext(functools.partial(call_columns, experiment.function))
    return contextlib.nullcontext(functools.partial(call_each, experiment.function))


def _tabulate(task: Task, block: Block, called: Called) -> tuple[list[Part], list[Failure]]:
    """Make parts of what the points returned, and failures of what no results file can hold."""
    made, settings = task.experiment, task.settings
    naming: dict[str, Any] = {"name": made.name, "dims": made.dims, "units": made.units}
    naming["taken"] = settings.taken
    elapsed = called.elapsed
    failures = list(called.failures)
    every = range(len(elapsed))
    done: Places = np.delete(every, [i for i, _ in failures]) if failures else every
    pieces = called.pieces
    if called.returned and (alike := uniform(called.returned, **naming)):
        pieces = [(done, alike)]
    elif len(pieces) > 1 and (together := joined([piece for _, piece in pieces])):
        pieces = [(done, together)]
    parts: list[Part] = []
    for at, variables in pieces:
        at = every[at] if isinstance(at, slice) else at
        parts += _parts(settings.keys, block, at, elapsed, variables)
    if called.returned and not pieces:
        done = product.written(done)
        own = settings.keys(block.at[done])
        parts, unfit = tabulate(called.returned, own, elapsed[done], **naming)
        failures += [(int(done[i]), refused(error)) for i, error in unfit]
    if File.is_used:
        parts = list(map(marked, parts))
    return parts, _failures(task, block, failures, called)


def _parts(
    keys: KeyMaker, block: Block, done: Places, elapsed: Array, variables: tuple[Variable, ...]
) -> Iterator[Part]:
    """Make the parts of some points; many in a row are known by products of hashes."""
    positions = block.positions
    is_run = isinstance(positions, range) and int(done[-1]) - int(done[0]) == len(done) - 1
    if not is_run or len(done) < MIN_PRODUCT:
        own = product.written(done)
        yield Part(keys(block.at[own]), elapsed[own], variables)
        return
    first, start = positions[int(done[0])], int(done[0])
    at = 0
    for box in keys.boxes(first, first + len(done)):
        rows = slice(at, at + len(box))
        values = tuple(dataclasses.replace(v, values=v.values[rows]) for v in variables)
        yield Part(box, elapsed[start + rows.start : start + rows.stop], values)
        at = rows.stop


def _failures(
    task: Task, block: Block, failures: list[tuple[int, Reason]], called: Called
) -> list[Failure]:
    if not failures:
        return []
    at = np.array([i for i, _ in failures])
    own = task.settings.keys(block.at[at]).tolist()
    before = np.zeros(len(at), int) if block.attempts is None else block.attempts[at]
    return [
        Failure((first, second), *why, attempts=tried + 1, elapsed_s=float(called.elapsed[i]))
        for (i, why), (first, second), tried in zip(failures, own, before.tolist(), strict=True)
    ]
