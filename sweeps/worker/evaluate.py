"""Everything that happens in a worker: evaluate a block, record the flight, commit."""

from __future__ import annotations

import dataclasses
import time
import traceback
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from sweeps.code import reads
from sweeps.engines import Block, Receipt, Refusal
from sweeps.errors import StorageError
from sweeps.memo import index as memo
from sweeps.outputs import columns as outputs_columns
from sweeps.outputs import failures as outputs_failures
from sweeps.outputs import misfits
from sweeps.outputs.failures import Failure
from sweeps.outputs.types import Part, Variable
from sweeps.spaces.keys import RNG, Generators, KeyMaker, written
from sweeps.spaces.product import Positions
from sweeps.storage import files
from sweeps.storage.hdf5 import Array
from sweeps.worker import call as worker_call
from sweeps.worker import capture, memory_limit, resources, scratch
from sweeps.worker.call import Called
from sweeps.worker.isolation import seeds
from sweeps.worker.job import Job, Task, changed_data, ready

_MOST_FORMS = 20  # that a worker tells of: one is usual, and two are news

_MIN_PRODUCT = 4096  # points; fewer would make more parts than it is worth


def work(job: Job, block: Block) -> Receipt | Refusal:
    """Evaluate a block in a worker process, commit it to the memo, and say so."""
    made = ready(job)
    return made if isinstance(made, Refusal) else evaluate(made, block)


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
    try:
        with files.results_in(task.settings.results), reads.recorded(task.reads):
            called = call(task, block)
    except resources.CannotOpenError as error:
        if scratch.is_asked_to_stop(task.settings.folder):
            return Receipt(block.number, 0, 0, len(block), 0.0)
        return Refusal(str(error))
    parts, failures = _tabulate(task, block, called)
    if changed := changed_data(task.settings):  # the values may be of either content
        return Refusal(changed)
    error_text = ""
    try:
        if parts:
            task.reads.keep(task.settings.memo)
        if parts or failures:
            created_ns = task.settings.clock_ns + time.monotonic_ns()
            memo.commit(task.settings.memo, parts, failures, created_ns)
    except StorageError as error:
        error_text = str(error)
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
    )


def values(task: Task, block: Block) -> tuple[list[Part], list[Failure]]:
    """Evaluate a block, whatever its time, and commit nothing."""
    with files.results_in(task.settings.results), reads.recorded(task.reads):
        return _tabulate(task, block, call(task, block))


def _new_forms(task: Task, block: Block, parts: Iterable[Part]) -> Iterator[misfits.Form]:
    """Describe outputs that look as this worker has not met them before."""
    for part in parts:
        headers = tuple(map(misfits.header, part.variables))
        kind = misfits.kind(headers, part.coordinates)
        if kind in task.met or len(task.met) >= _MOST_FORMS:
            continue
        task.met.add(kind)
        own = task.settings.keys(block.at)
        first = int((own == written(part.keys)[:1]).all(axis=1).argmax())
        yield int(block.at[first]), headers, part.coordinates


def arguments(task: Task, positions: Positions) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the function is given at all points, and the columns that it is given of each."""
    settings = task.settings
    found = settings.keys.space.arguments_at(positions, settings.passed)
    columns: dict[str, Any] = {n: task.originals.column(n, c) for n, c in found.items()}
    given = {name: value for name, value in settings.constants.items() if name not in columns}
    streams = settings.keys.streams(positions)
    if streams is not None:
        columns[RNG] = Generators(settings.seed, streams)
    return given, columns


def call(task: Task, block: Block) -> Called:
    """Call the function at the points of a block, in the way that is declared."""
    experiment, settings = task.experiment, task.settings
    given, columns = arguments(task, block.at)
    limits = worker_call.Limits(
        settings.block_s,
        experiment.timeout,
        experiment.name,
        experiment.dims,
        settings.taken,
        task.surroundings,
        seeds.by_place(settings.keys, block.at),
        units=experiment.units,
    )
    host = task.hosts.caller(experiment, settings.folder)
    with task.surroundings.held(), capture.at(task.recorder), host as caller:
        worker_call.restore(
            task.recorder, limits
        )  # what came in between, as of a thread left behind
        task.recorder.begin(block.number)
        try:
            called = caller(given, columns, len(block), task.recorder, limits)
            task.recorder.suspect_all(len(called.elapsed))
        finally:
            task.recorder.disarm()
            worker_call.restore(task.recorder, limits)
    return called


def _tabulate(task: Task, block: Block, called: Called) -> tuple[list[Part], list[Failure]]:
    """Make parts of what the points returned, and failures of what no results file can hold."""
    made, settings = task.experiment, task.settings
    naming: dict[str, Any] = {
        "name": made.name,
        "dims": made.dims,
        "taken": settings.taken,
        "units": made.units,
    }
    elapsed = called.elapsed
    failures = list(called.failures)
    is_done = np.ones(len(elapsed), dtype=bool)
    is_done[[i for i, _ in failures]] = False
    done = np.flatnonzero(is_done)
    pieces = called.pieces
    if called.returned and (alike := outputs_columns.uniform(called.returned, **naming)):
        pieces = [(done, alike)]
    elif len(pieces) > 1 and (joined := outputs_columns.joined([piece for _, piece in pieces])):
        pieces = [(done, joined)]
    parts: list[Part] = []
    for at, variables in pieces:
        parts += _parts(settings.keys, block, np.arange(len(elapsed))[at], elapsed, variables)
    if called.returned and not pieces:
        own = settings.keys(block.at[done])
        parts, refused = outputs_columns.tabulate(called.returned, own, elapsed[done], **naming)
        failures += [
            (int(done[i]), ("output", "OutputError", str(error), "")) for i, error in refused
        ]
    return parts, _failures(task, block, failures, called)


def _parts(
    keys: KeyMaker, block: Block, done: Array, elapsed: Array, variables: tuple[Variable, ...]
) -> Iterator[Part]:
    """Make the parts of some points; many in a row are known by products of hashes."""
    positions = block.positions
    is_run = isinstance(positions, range) and int(done[-1]) - int(done[0]) == len(done) - 1
    if not is_run or len(done) < _MIN_PRODUCT:
        yield Part(keys(block.at[done]), elapsed[done], variables)
        return
    first, start = positions[int(done[0])], int(done[0])
    at = 0
    for own in keys.boxes(first, first + len(done)):
        rows = slice(at, at + len(own))
        values = tuple(dataclasses.replace(v, values=v.values[rows]) for v in variables)
        yield Part(own, elapsed[start + rows.start : start + rows.stop], values)
        at = rows.stop


def _failures(
    task: Task, block: Block, failures: list[tuple[int, outputs_failures.Why]], called: Called
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
