"""Briefing: all that workers must know of a run, in the form that they take it."""

from __future__ import annotations

import functools
import hashlib
import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sweeps import fingerprint, flight, scheduling, values, worker
from sweeps.block import Receipt
from sweeps.errors import SweepsError
from sweeps.subject import Subject

Work = Callable[[Any], Receipt]


def here(subject: Subject, flights: Path) -> Work:
    """Brief workers that share this process.

    Raises
    ------
    SweepsError
        Where the code on disk, which the fingerprint is of, is newer than the code in memory.
    """
    modules, read_ns = subject.fingerprint.modules, subject.experiment.declared_ns
    if file := fingerprint.edited_since(modules, read_ns):
        raise SweepsError(
            f"{file} was edited since it was imported here, and this process still has the old "
            "code: start Python anew, or use the engine loky"
        )
    recorder = flight.Recorder(None)
    task = worker.Task(subject.experiment, _settings(subject, flights), recorder)
    return functools.partial(worker.evaluate, task)


def elsewhere(subject: Subject, flights: Path) -> Work:
    """Brief workers that are processes of their own."""
    experiment = subject.experiment
    settings = _pickle(_settings(subject, flights))
    file = flights / "settings"
    file.write_bytes(settings)
    job = worker.Job(
        experiment.name,
        subject.fingerprint.digest,
        subject.location,
        subject.attribute,
        b"" if subject.location is not None else _pickle(experiment.without_space()),
        str(file),
        hashlib.sha256(settings).hexdigest(),
        os.getpid(),
        tuple(sys.path),
        os.getcwd(),  # noqa: PTH109
    )
    return functools.partial(worker.work, job)


def _settings(subject: Subject, flights: Path) -> worker.Settings:
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
        scheduling.BLOCK_S,
        experiment.identify_values(),
        subject.results,
    )


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
