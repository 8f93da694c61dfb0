"""The list of experiments, and how far each is; cheap enough to be made every few seconds."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sweeps.errors import StorageError
from sweeps.progress import presence
from sweeps.storage import hdf5_foreign
from sweeps.viewer.landed import identity
from sweeps.viewer.watched import Subject

_COUNTS = ("n_points", "n_done", "n_failed")


@dataclasses.dataclass(frozen=True)
class Listed:
    """One experiment in the list.

    Attributes
    ----------
    points, done, failed : int
        Of its results file; 0 where there is none.
    n_running : int
        Runs that go on.
    over, todo : int
        Points that these have finished, and what they have to compute together.
    """

    name: str
    about: str
    points: int = 0
    done: int = 0
    failed: int = 0
    n_running: int = 0
    over: int = 0
    todo: int = 0
    has_results: bool = False


def listed(subjects: Iterable[Subject]) -> list[Listed]:
    """List experiments."""
    return [_listed(each) for each in subjects]


def _listed(subject: Subject) -> Listed:
    held = _attributes(subject.path)
    points, done, failed = (n if type(n := held.get(name)) is int else 0 for name in _COUNTS)
    every = presence.look(subject.path.parent, subject.path.stem)
    runs = [run for run in every if run.silent_s is None]
    n_over, n_todo = sum(run.over for run in runs), sum(run.points for run in runs)
    counts = points, done, failed, len(runs), n_over, n_todo
    return Listed(subject.name, subject.about, *counts, bool(held))


def _attributes(path: Path) -> dict[str, Any]:
    """Read the attributes of a results file; a check of its digest would read all of it."""
    try:
        return _read(path, identity(path))
    except (OSError, ValueError):
        return {}


@functools.lru_cache(maxsize=1024)
def _read(path: Path, state: str) -> dict[str, Any]:
    try:
        return hdf5_foreign.read_attributes(path)
    except StorageError:
        return {}
