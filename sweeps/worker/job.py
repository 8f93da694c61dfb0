"""What a worker is told: the job of a run, and the task that it makes of it."""

from __future__ import annotations

import dataclasses
import functools
import gc
import hashlib
import io
import pickle
from collections.abc import Hashable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sweeps.code import fingerprint, pins, reads
from sweeps.declaration import experiment as declaration_experiment
from sweeps.engines import Refusal
from sweeps.errors import SweepsError
from sweeps.project import imports
from sweeps.project.locations import ModuleLocation
from sweeps.spaces import quantities
from sweeps.spaces.keys import KeyMaker
from sweeps.worker import capture, memory_limit, process, resources, scratch
from sweeps.worker.isolation import copies, traces, undo

_CHANGED = "is not what it was when the run began: run it again"

_ALONE = "use --engine loky"


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
        File with the pickled `pins.Files` and `Settings`, in a folder of this run only, and the
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
    folder : Path
        Temporary folder of the run.
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
        For the ages of the values, as `index.clock` says.
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
    folder: Path
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

    experiment: declaration_experiment.Experiment
    settings: Settings
    recorder: scratch.Recorder
    originals: copies.Originals
    reads: reads.Recorder
    surroundings: process.Surroundings
    traces: traces.Traces
    hosts: resources.Hosts = dataclasses.field(default_factory=resources.Hosts)
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
    experiment: declaration_experiment.Experiment,
    settings: Settings,
    recorder: scratch.Recorder,
    surroundings: process.Surroundings,
) -> Task:
    """Make a task, in which no point sees what another one did to the things that it is given."""
    tables = {name: column.table for name, column in settings.keys.space.columns.items()}
    originals = copies.Originals({n: t for n, t in tables.items() if n in settings.passed})
    function, constants = originals.function(experiment.function, settings.constants)
    if function is not experiment.function:
        experiment = dataclasses.replace(experiment, function=function)
        settings = dataclasses.replace(settings, constants=constants)
    noted = reads.Recorder(settings.reads)
    left = traces.Traces(settings.modules, experiment.function)
    return Task(experiment, settings, recorder, originals, noted, surroundings, left)


def ready(job: Job) -> Task | Refusal:
    """Prepare a job, or say why that is impossible."""
    try:
        return prepare(job)
    except SweepsError as error:
        return Refusal(str(error))
    except Exception as error:  # whatever the project's modules raise
        return Refusal(
            f"a worker cannot make {job.experiment!r} ready: {type(error).__name__}: {error}"
        )


@functools.lru_cache(maxsize=1)
def prepare(job: Job) -> Task:
    """Set this process up and import the experiment; done once for each job.

    All code is pinned; what lives in memory only, as values that a function encloses, is compared.
    """
    memory_limit.impose(None)
    prepare.cache_clear()  # what was ready for another job is not any more, even if this one fails
    process.become_worker(job.folder, job.path)
    settings_file = _read(job)
    folder = Path(job.settings).parent
    recorder = scratch.Recorder(folder)
    capture.redirect(folder, recorder)
    process.take_environment(pickle.load(settings_file))
    pins.pin(pins.Pins(pickle.load(settings_file), folder / scratch.COMPILED))
    experiment = _import(job)
    process.start_processes_by(job.start_method)
    with quantities.registry_of(_declared(experiment)):
        settings: Settings = pickle.load(settings_file)
    if changed := changed_data(settings):
        raise SweepsError(changed)
    if job.location is not None:
        code = experiment.identify()
        if code.digest != job.fingerprint:
            raise SweepsError(f"the code of {job.experiment!r} {_CHANGED}")
        read = (*settings.reads, *reads.at_import(code, settings.results or Path()))
        settings = dataclasses.replace(settings, reads=read)
    if any(
        declaration_experiment.identity(thing) != digest for thing, digest in settings.behind_values
    ):
        raise SweepsError(f"the code behind values of {job.experiment!r} {_CHANGED}")
    memory_limit.impose(settings.memory_bytes)
    undo.adopt(settings.state)
    capture.hear_warnings()
    surroundings = process.Surroundings(settings.memory_bytes, is_random=settings.is_random)
    # Without psutil loky collects garbage each second: 20 to 50 ms, nearly all of it in modules.
    gc.freeze()
    return task(experiment, settings, recorder, surroundings)


def _declared(experiment: declaration_experiment.Experiment) -> Iterator[Any]:
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


def changed_data(settings: Settings) -> str:
    """Say which file that results depend on was changed, if one was."""
    for path, state in settings.data.items():
        if fingerprint.state(path) != state:
            return f"{path} was changed while the run was going: run it again"
    return ""


def _import(job: Job) -> declaration_experiment.Experiment:
    if job.location is None:
        pickled: declaration_experiment.Experiment = pickle.loads(job.pickled)
        return pickled
    module = imports.import_location(job.location)
    found = getattr(module, job.attribute, None)
    if not isinstance(found, declaration_experiment.Experiment):
        raise SweepsError(
            f"{job.location.module} has no experiment {job.attribute!r} any more: run it again"
        )
    return found
