"""The job of a worker process: what a run tells it, and how the process makes itself ready."""

from __future__ import annotations

import dataclasses
import functools
import gc
import hashlib
import io
import multiprocessing
import os
import pickle
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sweeps.code import fingerprint, pins, reads
from sweeps.declaration.experiment import Experiment
from sweeps.engines import Block, Outcome, Refusal
from sweeps.errors import SweepsError
from sweeps.project import imports
from sweeps.project.discovery import ModuleLocation
from sweeps.spaces import quantities
from sweeps.worker import capture, evaluate, memory_limit, scratch
from sweeps.worker.isolation import undo
from sweeps.worker.isolation.surroundings import Surroundings

_OF_JOBLIB = frozenset({"VECLIB_MAXIMUM_THREADS", "ENABLE_IPC"})

_CHANGED = "changed after the run started: run it again"


@dataclasses.dataclass(frozen=True)
class Job:
    """What a worker must know of a run, beside the blocks; small, since it goes with each of them.

    The settings may be as large as the axes, and may hold objects of the project's modules.
    """

    experiment: str
    fingerprint: str  # of the code that the run was planned for; a worker refuses other code
    location: ModuleLocation | None  # where to import the experiment from, as this attribute:
    attribute: str
    pickled: bytes  # or the experiment itself, of ``__main__`` or a notebook
    settings: str  # file with the pickled `pins.Files` and `Settings`, in a folder of this run only
    digest: str  # the SHA-256 of what it must hold
    path: tuple[str, ...]  # ``sys.path``
    folder: str  # working directory
    start_method: str | None = None  # of `multiprocessing`, where the parent has said so
    own: tuple[tuple[str, Any], ...] = ()  # what of the settings is another on this machine


def work(job: Job, block: Block) -> Outcome:
    """Evaluate a block in a worker process, commit it to the memo, and say so."""
    made = ready(job)
    outcome = made if isinstance(made, Refusal) else evaluate.evaluate(made, block)
    if isinstance(outcome, Refusal):
        return outcome
    return dataclasses.replace(outcome, peak_bytes=memory_limit.peak_bytes())


def ready(job: Job) -> evaluate.Task | Refusal:
    """Prepare a job, or say why that is impossible."""
    try:
        return prepare(job)
    except SweepsError as error:
        return Refusal(str(error))
    except Exception as error:  # whatever the project's modules raise
        return Refusal(f"a worker cannot load {job.experiment!r}: {type(error).__name__}: {error}")


@functools.lru_cache(maxsize=1)
def prepare(job: Job) -> evaluate.Task:
    """Set this process up and import the experiment; done once for each job.

    All code is pinned; what lives in memory only, as values that a function encloses, is compared.
    """
    memory_limit.impose(None)
    prepare.cache_clear()  # what was ready for another job is not any more, even if this one fails
    become_worker(job.folder, job.path)
    folder = Path(job.settings).parent
    recorder = scratch.Recorder(folder)
    capture.redirect(folder, recorder)
    experiment, settings = load(job)
    if changed := fingerprint.changed(settings.data):
        raise SweepsError(changed)
    if job.location is not None:
        code = experiment.identify()
        if code.digest != job.fingerprint:
            raise SweepsError(f"the code of {job.experiment!r} {_CHANGED}")
        read = (*settings.reads, *reads.at_import(code, settings.results or Path()))
        settings = dataclasses.replace(settings, reads=read)
    if any(fingerprint.identity(thing) != digest for thing, digest in settings.behind_values):
        raise SweepsError(f"the code behind values of {job.experiment!r} {_CHANGED}")
    memory_limit.impose(settings.memory_bytes)
    undo.adopt(settings.state)
    capture.hear_warnings()
    surroundings = Surroundings(settings.memory_bytes, is_random=settings.is_random)
    # Without psutil loky collects garbage each second: 20 to 50 ms, nearly all of it in modules.
    gc.freeze()
    return evaluate.task(experiment, settings, recorder, surroundings)


def load(job: Job) -> tuple[Experiment, evaluate.Settings]:
    """Import the experiment from the texts of the run, in its environment, and read its settings.

    Raises
    ------
    SweepsError
        If something else is there.
    """
    file, folder = _read(job), Path(job.settings).parent
    take_environment(pickle.load(file))
    pins.pin(pins.Pins(pickle.load(file), folder / scratch.COMPILED))
    experiment = _import(job)
    start_processes_by(job.start_method)
    with quantities.registry_of(_declared(experiment)):
        settings: evaluate.Settings = pickle.load(file)
    return experiment, dataclasses.replace(settings, folder=folder, **dict(job.own))


def _declared(experiment: Experiment) -> Iterator[Any]:
    """Objects among the values that an experiment was declared with."""
    tables = [column.table for d in experiment.space.dimensions for column in d.columns]
    for table in (*tables, *experiment.constants.values()):
        yield from (table.objects or ())[:1]


def _read(job: Job) -> io.BytesIO:
    """Read the settings, if they are what the run wrote: the digest came by a pipe."""
    content = Path(job.settings).read_bytes()
    if hashlib.sha256(content).hexdigest() != job.digest:
        raise SweepsError(f"{job.settings} was changed by another program: run it again")
    return io.BytesIO(content)


def _import(job: Job) -> Experiment:
    if job.location is None:
        pickled: Experiment = pickle.loads(job.pickled)
        return pickled
    module = imports.import_location(job.location)
    found = getattr(module, job.attribute, None)
    if not isinstance(found, Experiment):
        raise SweepsError(
            f"{job.location.module} has no experiment {job.attribute!r} any more: run it again"
        )
    return found


def become_worker(folder: str, path: Sequence[str]) -> None:
    """Make this process a worker.

    Parameters
    ----------
    folder : str
        Working directory.
    path : sequence of str
        ``sys.path``.
    """
    os.chdir(folder)
    sys.path[:] = path
    imports.forget_project_modules()


def start_processes_by(method: str | None) -> None:
    """Start processes as the parent does, unless a module has said how."""
    if method is not None and multiprocessing.get_start_method(allow_none=True) is None:
        multiprocessing.set_start_method(method)


def take_environment(environment: Mapping[str, str]) -> None:
    """Take over the environment of the parent, except for what joblib sets for threads."""
    for name in {*os.environ, *environment}:
        is_ours = name.endswith("_NUM_THREADS") or name in _OF_JOBLIB
        if not is_ours and os.environ.get(name) != environment.get(name):
            if name in environment:
                os.environ[name] = environment[name]
            else:
                del os.environ[name]
    time.tzset()
