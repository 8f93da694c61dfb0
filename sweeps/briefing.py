"""Briefing: all that workers must know of a run, in the form that they take it."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import multiprocessing
import os
import pickle
import sys
from pathlib import Path
from typing import Any

from sweeps import (
    fingerprint,
    flight,
    freezing,
    pinning,
    process,
    scheduling,
    undoing,
    values,
    worker,
)
from sweeps.block import Block, Receipt
from sweeps.errors import SweepsError
from sweeps.source.memory import IN_MEMORY
from sweeps.subject import Subject

Work = functools.partial[Receipt]


def here(subject: Subject, flights: Path, clock_ns: int = 0) -> Work:
    """Brief workers that share this process; raises what `task_here` does."""
    return functools.partial(_work_here, *task_here(subject, flights, clock_ns))


def task_here(
    subject: Subject, flights: Path, clock_ns: int = 0
) -> tuple[worker.Task, pinning.Pins]:
    """Make an experiment ready in this process, and say what its code was read from.

    Raises
    ------
    SweepsError
        Where the code on disk, which the fingerprint is of, is newer than the code in memory, or
        data is that the code may have read.
    """
    frozen, since_ns = freezing.freeze(subject), subject.experiment.declared_ns
    freezing.refuse_older(
        frozen.modules, frozen, since_ns, "start Python anew, or use the engine loky"
    )
    if subject.location is not None:  # what ``__main__`` holds counts by its own content
        freezing.refuse_newer_data(frozen, subject)
    settings = _settings(subject, flights, frozen, clock_ns)
    surroundings = process.Surroundings(is_worker=False, is_random=settings.is_random)
    task = worker.task(subject.experiment, settings, flight.Recorder(None), surroundings)
    return task, dataclasses.replace(frozen.pins, scratch=flights / "scratch")


def _work_here(task: worker.Task, pins: pinning.Pins, block: Block) -> Receipt:
    """Evaluate a block; what it is the first to import is as the run began."""
    with pinning.held(pins):
        return worker.evaluate(task, block)


def elsewhere(
    subject: Subject, flights: Path, memory_bytes: int | None = None, clock_ns: int = 0
) -> Work:
    """Brief workers that are processes of their own.

    Raises
    ------
    SweepsError
        Where what is to be sent cannot be pickled, or is older than the code on disk.
    """
    experiment = subject.experiment
    _refuse_patched(subject)
    frozen = freezing.freeze(subject)
    freezing.refuse_older(frozen.carried, frozen, experiment.declared_ns, "start Python anew")
    with pinning.held(frozen.pins):  # cached helpers are sent with their identity
        told = _settings(subject, flights, frozen, clock_ns, memory_bytes)
        settings = _pickle(dict(os.environ)) + _pickle(dict(frozen.pins.files)) + _pickle(told)
        own = b"" if subject.location is not None else _pickle(experiment.without_space())
    file = flights / "settings"
    file.write_bytes(settings)
    job = worker.Job(
        experiment.name,
        subject.fingerprint.code,
        subject.location,
        subject.attribute,
        own,
        str(file),
        hashlib.sha256(settings).hexdigest(),
        tuple(sys.path),
        os.getcwd(),  # noqa: PTH109
        multiprocessing.get_start_method(allow_none=True),
    )
    return functools.partial(worker.work, job)


def _refuse_patched(subject: Subject) -> None:
    """Refuse what was set in the memory of this process, where workers import a module anew."""
    own = subject.experiment.module if subject.location is None else None
    for part in subject.fingerprint.parts:
        module, _, name = part.removesuffix(IN_MEMORY).partition(":")
        if part.endswith(IN_MEMORY) and module != own:
            raise SweepsError(
                f"{module}.{name} was set in the memory of this process, which worker processes do "
                "not see: use the engine serial or threads, or change it in its file"
            )


def _settings(
    subject: Subject,
    flights: Path,
    frozen: freezing.Frozen,
    clock_ns: int,
    memory_bytes: int | None = None,
) -> worker.Settings:
    experiment = subject.experiment
    constants = {
        name: values.unlabel(table.element(0)) for name, table in experiment.constants.items()
    }
    return worker.Settings(
        subject.keys.settled(),
        experiment.passed,
        constants,
        experiment.taken,
        subject.memo,
        flights,
        scheduling.block_s(experiment.concurrency),
        frozen.behind_values,
        experiment.seed,
        frozen.data,
        subject.results,
        memory_bytes,
        clock_ns,
        subject.reads,
        mentions_random(subject.fingerprint),
        undoing.told(),
    )


def mentions_random(code: fingerprint.Fingerprint) -> bool:
    """Whether code mentions random numbers, and so may draw some."""
    return any("random" in text for _, text in code.files.values())


def _pickle(thing: Any) -> bytes:
    """Pickle for a worker, what is defined in ``__main__`` by value."""
    import cloudpickle

    try:
        packed: bytes = cloudpickle.dumps(thing, protocol=pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        raise SweepsError(
            f"cannot send {type(thing).__name__} to a worker process: {error}; "
            "use --engine serial or threads, or objects that can be pickled"
        ) from error
    return packed
