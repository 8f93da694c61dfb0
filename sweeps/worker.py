"""Everything that happens in a worker: evaluate a block, record the flight, commit."""

from __future__ import annotations

import dataclasses
import functools
import pickle
import time
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sweeps import declaring, flight, importing, locating, memo, process, returning
from sweeps.block import Block, Failure, Receipt
from sweeps.errors import StorageError, SweepsError
from sweeps.interrupting import Interrupted
from sweeps.locating import ModuleLocation

_EDITED = "was edited after the run began: run it again"
_TIMEOUT_SLACK = 0.01
"""A point gets so much more than its timeout: arming costs 30 us, too much for every point."""

BLOCK_BYTES = 64 * 2**20
"""Values held in memory before a block is committed, however little time it took."""


@dataclasses.dataclass(frozen=True)
class Job:
    """What a worker must know of a run, beside the blocks; small, since it goes with each of them.

    Attributes
    ----------
    fingerprint : str
        Identity of the code that the run was planned for; a worker that finds other code refuses.
    location, attribute : ModuleLocation or None, str
        Where to import the experiment from, or
    pickled : bytes
        the experiment itself, where it is defined in ``__main__`` or a notebook.
    settings : bytes
        The pickled `Settings`, which may hold objects of the project's own modules.
    parent : int
        Process that the worker is not to outlive.
    path, folder : tuple of str, str
        ``sys.path`` and working directory.
    """

    experiment: str
    fingerprint: str
    location: ModuleLocation | None
    attribute: str
    pickled: bytes
    settings: bytes
    parent: int
    path: tuple[str, ...]
    folder: str


@dataclasses.dataclass(frozen=True, eq=False)
class Settings:
    """How blocks are evaluated.

    Attributes
    ----------
    constants : mapping
        Arguments that all points share.
    taken : frozenset of str
        Names that outputs cannot have.
    memo : Path
        Folder for the segments.
    flights : Path
        Folder for the flight records.
    block_s : float
        Seconds after which a worker commits what it has.
    behind_values : tuple of (object, str)
        Functions and classes behind values of parameters, and what they were when the run began.
    results : Path, optional
        Folder of results of the run, for what points call.
    """

    constants: Mapping[str, Any]
    taken: frozenset[str]
    memo: Path
    flights: Path
    block_s: float
    behind_values: tuple[tuple[Any, str], ...] = ()
    results: Path | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Task:
    """A job made ready in this process."""

    experiment: declaring.Experiment
    settings: Settings
    recorder: flight.Recorder


def work(job: Job, pickled_block: bytes) -> Receipt:
    """Evaluate a block in a worker process, commit it to the memo, and say so.

    The block comes as bytes so that its values are unpickled only when the project's modules,
    which they may be from, can be imported.
    """
    try:
        task = prepare(job)
        block: Block = pickle.loads(pickled_block)
    except SweepsError as error:
        return _refusal(str(error))
    except Exception as error:  # whatever the project's modules raise
        return _refusal(
            f"a worker cannot make {job.experiment!r} ready: {type(error).__name__}: {error}"
        )
    return evaluate(task, block)


def _refusal(reason: str) -> Receipt:
    return Receipt(-1, 0, 0, 0, 0.0, error=reason)


@functools.lru_cache(maxsize=1)
def prepare(job: Job) -> Task:
    """Set this process up and import the experiment; done once for each job."""
    process.become_worker(job.parent, job.folder, job.path)
    experiment = _import(job)
    if job.location is not None and experiment.identify().digest != job.fingerprint:
        raise SweepsError(f"the code of {job.experiment!r} {_EDITED}")
    settings: Settings = pickle.loads(job.settings)
    if any(declaring.identity(thing) != digest for thing, digest in settings.behind_values):
        raise SweepsError(f"the code behind values of {job.experiment!r} {_EDITED}")
    return Task(experiment, settings, flight.Recorder(settings.flights))


def _import(job: Job) -> declaring.Experiment:
    if job.location is None:
        pickled: declaring.Experiment = pickle.loads(job.pickled)
        return pickled
    module = importing.import_location(job.location)
    found = getattr(module, job.attribute, None)
    if not isinstance(found, declaring.Experiment):
        raise SweepsError(
            f"{job.location.module} has no experiment {job.attribute!r} any more: run it again"
        )
    return found


def evaluate(task: Task, block: Block) -> Receipt:
    """Evaluate a block until it is done or its time is over, and commit what is finished."""
    if flight.is_asked_to_stop(task.settings.flights):
        return Receipt(block.number, 0, 0, len(block), 0.0)
    with locating.results_in(task.settings.results):
        returned, elapsed, failures = _call_each(task, block)
    n_begun = len(elapsed)
    is_done = np.ones(n_begun, dtype=bool)
    is_done[[i for i, _ in failures]] = False
    done = np.flatnonzero(is_done)
    elapsed_done = elapsed[done].astype(np.float32)
    parts, refused = returning.tabulate(
        returned,
        block.keys[done],
        elapsed_done,
        name=task.experiment.name,
        dims=task.experiment.dims,
        taken=task.settings.taken,
    )
    for index, error in refused:
        at = int(done[index])
        failures.append((at, ("output", "OutputError", str(error), "")))
    told = [_failure(block, at, why, float(elapsed[at])) for at, why in failures]
    error_text = ""
    try:
        if parts or told:
            memo.commit(task.settings.memo, parts, told)
    except StorageError as error:
        error_text = str(error)
    return Receipt(
        block.number,
        n_begun - len(told),
        len(told),
        len(block) - n_begun,
        float(elapsed.sum()),
        error_text,
    )


Why = tuple[str, str, str, str]


def _call_each(
    task: Task, block: Block
) -> tuple[list[Any], np.ndarray[Any, np.dtype[np.float64]], list[tuple[int, Why]]]:
    """Call the function for one point after the other, for as long as the block may take."""
    function, timeout = task.experiment.function, task.experiment.timeout
    names = tuple(block.columns)
    constants = {k: v for k, v in task.settings.constants.items() if k not in block.columns}
    returned: list[Any] = []
    failures: list[tuple[int, Why]] = []
    times = [time.perf_counter()]
    end, rearm = times[0] + task.settings.block_s, times[0]
    room_bytes = BLOCK_BYTES
    at = task.recorder.begin(block.number)
    snapshot, clock, scalars = returning.snapshot, time.perf_counter, returning.SCALARS
    try:
        for i, row in enumerate(_rows(block)):
            at[0] = i
            if timeout and times[-1] >= rearm:
                task.recorder.arm((1 + _TIMEOUT_SLACK) * timeout)
                rearm = times[-1] + _TIMEOUT_SLACK * timeout
            try:
                value = function(**constants, **dict(zip(names, row, strict=True)))
                if type(value) not in scalars:
                    value = snapshot(value)
                    room_bytes -= returning.size_bytes(value)
                returned.append(value)
            except Interrupted:
                raise
            except BaseException as error:  # SystemExit and KeyboardInterrupt are the point's too
                failures.append((i, _why(error)))
            now = clock()
            times.append(now)
            if now > end or room_bytes < 0:
                break
    finally:
        task.recorder.disarm()
        task.recorder.end()
    return returned, np.diff(times), failures


def _rows(block: Block) -> Iterator[tuple[Any, ...]]:
    """Values of one point after the other, as Python's own scalars."""
    columns = [c.tolist() if isinstance(c, np.ndarray) else c for c in block.columns.values()]
    return zip(*columns, strict=True) if columns else iter([()] * len(block))


def _why(error: BaseException) -> Why:
    """Kind, type, message and traceback, without the frames of this module."""
    frames = error.__traceback__.tb_next if error.__traceback__ is not None else None
    try:
        text = "".join(traceback.format_exception(type(error), error, frames))
        message = str(error)
    except Exception:  # a __str__ that raises
        text, message = f"{type(error).__name__}: (cannot be shown)", "(cannot be shown)"
    return "exception", type(error).__name__, message, text


def _failure(block: Block, at: int, why: Why, elapsed_s: float) -> Failure:
    key = (int(block.keys[at, 0]), int(block.keys[at, 1]))
    before = 0 if block.attempts is None else int(block.attempts[at])
    return Failure(key, *why, attempts=before + 1, elapsed_s=elapsed_s)
