"""Everything that happens in a worker: evaluate a block, record the flight, commit."""

from __future__ import annotations

import dataclasses
import functools
import gc
import hashlib
import io
import pickle
import time
import traceback
from collections.abc import Hashable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sweeps import (
    calling,
    declaring,
    duplicating,
    failing,
    fingerprint,
    flight,
    hosting,
    importing,
    keys,
    locating,
    memo,
    memory_limit,
    noticing,
    pinning,
    printing,
    process,
    quantities,
    reads,
    returning,
    seeding,
    traces,
    undoing,
)
from sweeps.block import Array, Block, Failure, Part, Receipt, Variable
from sweeps.calling import Called
from sweeps.errors import StorageError, SweepsError
from sweeps.keying import KeyMaker
from sweeps.locating import ModuleLocation
from sweeps.signature import RNG
from sweeps.space import Positions
from sweeps.streams import Generators

_CHANGED = "is not what it was when the run began: run it again"
_MOST_FORMS = 20  # that a worker tells of: one is usual, and two are news
_ALONE = "use --engine loky"
_MIN_PRODUCT = 4096  # points; fewer would make more parts than it is worth


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
    settings, digest : str, str
        File with the pickled `pinning.Files` and `Settings`, in a folder of this run only, and the
        SHA-256 of what it must hold. They may be as large as the axes, and the settings may hold
        objects of the project's modules.
    path, folder : tuple of str, str
        ``sys.path`` and working directory.
    start_method : str, optional
        How `multiprocessing` starts processes, where the parent or its modules have said so.
    """

    experiment: str
    fingerprint: str
    location: ModuleLocation | None
    attribute: str
    pickled: bytes
    settings: str
    digest: str
    path: tuple[str, ...]
    folder: str
    start_method: str | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Settings:
    """How blocks are evaluated.

    Attributes
    ----------
    keys : KeyMaker
        The points, and what identifies them.
    passed : tuple of str
        Parameters that the function gets.
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
    seed : int
        Of the random streams; part of the keys, so the run's own.
    data : mapping of Path to State
        Files that the results depend on, and how they were when the run began.
    results : Path, optional
        Folder of results of the run, for what points call.
    memory_bytes : int, optional
        Limit to the memory of a worker process.
    clock_ns : int
        For the ages of the values, as `memo.clock` says.
    reads : tuple of Read
        What modules have read of other results.
    is_random : bool
        Whether the code mentions random numbers.
    state : mapping of str to object
        Settings of the parent that a worker process starts with, and the filters of `warnings`.
    modules : tuple of str
        Those of the project that the function reaches.
    """

    keys: KeyMaker
    passed: tuple[str, ...]
    constants: Mapping[str, Any]
    taken: frozenset[str]
    memo: Path
    flights: Path
    block_s: float
    behind_values: tuple[tuple[Any, str], ...] = ()
    seed: int = 0
    data: Mapping[Path, fingerprint.State] = dataclasses.field(default_factory=dict)
    results: Path | None = None
    memory_bytes: int | None = None
    clock_ns: int = 0
    reads: tuple[reads.Read, ...] = ()
    is_random: bool = False
    state: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    modules: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, eq=False)
class Task:
    """A job made ready in this process."""

    experiment: declaring.Experiment
    settings: Settings
    recorder: flight.Recorder
    originals: duplicating.Originals
    reads: reads.Recorder
    surroundings: process.Surroundings
    traces: traces.Traces
    hosts: hosting.Hosts = dataclasses.field(default_factory=hosting.Hosts)
    met: set[Hashable] = dataclasses.field(default_factory=set)  # forms of outputs

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is to be said of the values though they are kept."""
        shared = sorted(self.surroundings.shared)
        said = (
            f"points change what they share with others under way ({', '.join(shared)}): {_ALONE}"
        )
        return (*self.originals.shared, said) if shared else tuple(self.originals.shared)


def task(
    experiment: declaring.Experiment,
    settings: Settings,
    recorder: flight.Recorder,
    surroundings: process.Surroundings,
) -> Task:
    """Make a task, in which no point sees what another one did to the things that it is given."""
    tables = {name: column.table for name, column in settings.keys.space.columns.items()}
    originals = duplicating.Originals({n: t for n, t in tables.items() if n in settings.passed})
    function, constants = originals.function(experiment.function, settings.constants)
    if function is not experiment.function:
        experiment = dataclasses.replace(experiment, function=function)
        settings = dataclasses.replace(settings, constants=constants)
    noted = reads.Recorder(settings.reads)
    left = traces.Traces(settings.modules, experiment.function)
    return Task(experiment, settings, recorder, originals, noted, surroundings, left)


def work(job: Job, block: Block) -> Receipt:
    """Evaluate a block in a worker process, commit it to the memo, and say so."""
    made = ready(job)
    return made if isinstance(made, Receipt) else evaluate(made, block)


def ready(job: Job) -> Task | Receipt:
    """Prepare a job, or say why it cannot be."""
    try:
        return prepare(job)
    except SweepsError as error:
        return _refusal(str(error))
    except Exception as error:  # whatever the project's modules raise
        return _refusal(
            f"a worker cannot make {job.experiment!r} ready: {type(error).__name__}: {error}"
        )


def _refusal(reason: str) -> Receipt:
    return Receipt(-1, 0, 0, 0, 0.0, error=reason)


@functools.lru_cache(maxsize=1)
def prepare(job: Job) -> Task:
    """Set this process up and import the experiment; done once for each job.

    All code is pinned; what lives in memory only, as values that a function encloses, is compared.
    """
    memory_limit.impose(None)
    prepare.cache_clear()  # what was ready for another job is not any more, even if this one fails
    process.become_worker(job.folder, job.path)
    settings_file = _read(job)
    flights = Path(job.settings).parent
    recorder, scratch = flight.Recorder(flights), flights / "scratch"
    printing.redirect(flights, recorder)
    process.take_environment(pickle.load(settings_file))
    pinning.pin(pinning.Pins(pickle.load(settings_file), scratch))
    experiment = _import(job)
    process.start_processes_by(job.start_method)
    with quantities.registry_of(_declared(experiment)):
        settings: Settings = pickle.load(settings_file)
    if changed := _changed_data(settings):
        raise SweepsError(changed)
    if job.location is not None:
        code = experiment.identify()
        if code.digest != job.fingerprint:
            raise SweepsError(f"the code of {job.experiment!r} {_CHANGED}")
        read = (*settings.reads, *reads.at_import(code, settings.results or Path()))
        settings = dataclasses.replace(settings, reads=read)
    if any(declaring.identity(thing) != digest for thing, digest in settings.behind_values):
        raise SweepsError(f"the code behind values of {job.experiment!r} {_CHANGED}")
    memory_limit.impose(settings.memory_bytes)
    undoing.adopt(settings.state)
    printing.hear_warnings()
    surroundings = process.Surroundings(settings.memory_bytes, is_random=settings.is_random)
    # Without psutil loky collects garbage each second: 20 to 50 ms, nearly all of it in modules.
    gc.freeze()
    return task(experiment, settings, recorder, surroundings)


def _declared(experiment: declaring.Experiment) -> Iterator[Any]:
    """Objects among the values that an experiment was declared with."""
    tables = [column.table for d in experiment.space.dimensions for column in d.columns]
    for table in (*tables, *experiment.constants.values()):
        yield from (table.objects or ())[:1]


def _read(job: Job) -> io.BytesIO:
    """Read the settings, if they are what the run wrote: the digest came by a pipe."""
    content = Path(job.settings).read_bytes()
    if hashlib.sha256(content).hexdigest() != job.digest:
        raise SweepsError(f"{job.settings} is not what this run wrote: run it again")
    return io.BytesIO(content)


def _changed_data(settings: Settings) -> str:
    """Say which file that results depend on was changed, if one was."""
    for path, state in settings.data.items():
        if fingerprint.state(path) != state:
            return f"{path} was changed while the run was going: run it again"
    return ""


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
    try:
        return _evaluate(task, block)
    except (MemoryError, OSError) as error:
        # The points returned too much, or have closed the files of the event loop.
        memory_limit.impose(None)
        task.recorder.die(f"{type(error).__name__}: {error}", traceback.format_exc())
        raise
    finally:
        task.recorder.end()


def _evaluate(task: Task, block: Block) -> Receipt:
    if flight.is_asked_to_stop(task.settings.flights):
        return Receipt(block.number, 0, 0, len(block), 0.0)
    try:
        with locating.results_in(task.settings.results), reads.recorded(task.reads):
            called = call(task, block)
    except hosting.CannotOpenError as error:
        if flight.is_asked_to_stop(task.settings.flights):
            return Receipt(block.number, 0, 0, len(block), 0.0)
        return _refusal(str(error))
    parts, failures = _tabulate(task, block, called)
    if changed := _changed_data(task.settings):  # the values may be of either content
        return _refusal(changed)
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
        error_text,
        task.warnings,
        tuple(_new_forms(task, block, parts)),
        task.traces.found(),
    )


def values(task: Task, block: Block) -> tuple[list[Part], list[Failure]]:
    """Evaluate a block, whatever its time, and commit nothing."""
    with locating.results_in(task.settings.results), reads.recorded(task.reads):
        return _tabulate(task, block, call(task, block))


def _new_forms(task: Task, block: Block, parts: Iterable[Part]) -> Iterator[noticing.Form]:
    """Describe outputs that look as this worker has not met them before."""
    for part in parts:
        headers = tuple(map(noticing.header, part.variables))
        kind = noticing.kind(headers, part.coordinates)
        if kind in task.met or len(task.met) >= _MOST_FORMS:
            continue
        task.met.add(kind)
        own = task.settings.keys(block.at)
        first = int((own == keys.written(part.keys)[:1]).all(axis=1).argmax())
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
    limits = calling.Limits(
        settings.block_s,
        experiment.timeout,
        experiment.name,
        experiment.dims,
        settings.taken,
        task.surroundings,
        seeding.by_place(settings.keys, block.at),
        units=experiment.units,
    )
    host = task.hosts.caller(experiment, settings.flights)
    with task.surroundings.held(), printing.at(task.recorder), host as caller:
        calling.restore(task.recorder, limits)  # what came in between, as of a thread left behind
        task.recorder.begin(block.number)
        try:
            called = caller(given, columns, len(block), task.recorder, limits)
            task.recorder.suspect_all(len(called.elapsed))
        finally:
            task.recorder.disarm()
            calling.restore(task.recorder, limits)
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
    if called.returned and (alike := returning.uniform(called.returned, **naming)):
        pieces = [(done, alike)]
    elif len(pieces) > 1 and (joined := returning.joined([piece for _, piece in pieces])):
        pieces = [(done, joined)]
    parts: list[Part] = []
    for at, variables in pieces:
        parts += _parts(settings.keys, block, np.arange(len(elapsed))[at], elapsed, variables)
    if called.returned and not pieces:
        own = settings.keys(block.at[done])
        parts, refused = returning.tabulate(called.returned, own, elapsed[done], **naming)
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
    task: Task, block: Block, failures: list[tuple[int, failing.Why]], called: Called
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
