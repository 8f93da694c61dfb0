"""Find out from its attributes whether a results file shows all that the memo has."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from sweeps.errors import DeclarationError, LaterFormatError, StorageError
from sweeps.memo import listing
from sweeps.project.sweep import Sweep
from sweeps.storage import hdf5_foreign, seal

STATE = "sweeps_state"
"""Attribute of a results file: a digest of what it was made from."""

LAYOUT = "sweeps_layout"
"""Attribute of a results file: a digest of its points in order."""

COUNTS = ("n_points", "n_done", "n_failed", "n_excluded", "n_known")
"""Attributes of a results file: its points of each kind, and all known points of the memo."""


def is_fresh(sweep: Sweep, held: Mapping[str, Any]) -> bool:
    """Whether a results file shows all that the memo has; `held` are its attributes."""
    if not all(isinstance(held.get(name), int) for name in COUNTS):
        return False  # not ours, or damaged
    if listing.is_suspected(sweep.memo):
        return False
    names = beside(sweep, listing.listing(sweep.memo))
    return bool(held.get(STATE) == sweep.state(names))


def beside(sweep: Sweep, names: Iterable[str]) -> list[str]:
    """Leave out the results file itself from names of segments."""
    try:
        digest = seal.held(sweep.landed, seal.RESULTS)
    except OSError:
        digest = None
    own = None if digest is None else listing.name_of(digest)
    return [name for name in names if name != own]


class Counts(NamedTuple):
    """The points of a results file by kind; all are done, failed or excluded.

    Attributes
    ----------
    n_known : int
        All points with values in the memo, also those of other spaces.
    state : str
        Of this file, which another run may have replaced since.
    """

    n_points: int
    n_done: int
    n_failed: int
    n_excluded: int
    n_known: int
    state: str


def whole(sweep: Sweep, held: Mapping[str, Any]) -> Counts | None:
    """Count the points of the results file if it shows all of the memo and none is missing.

    `held` are its `held_attributes`, which are read once, because that takes a while.
    """
    if not is_fresh(sweep, held):
        return None
    numbers = [n if type(n := held[name]) is int else -1 for name in COUNTS]
    n_points, n_done, n_failed, n_excluded, n_known = numbers
    counts = Counts(n_points, n_done, n_failed, n_excluded, n_known, held[STATE])
    is_sound = min(numbers) >= 0 and counts.n_points == len(sweep.experiment.space)
    return counts if is_sound and counts.n_done + counts.n_failed == counts.n_points else None


def held_attributes(path: Path) -> dict[str, Any]:
    """Read the attributes of a results file; empty if it is missing or damaged.

    One of a later format must not be replaced: it raises `LaterFormatError`.
    """
    try:
        now = path.stat()
        state = (now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns)
        return dict(_held_attributes(path, state))
    except LaterFormatError:
        raise
    except (OSError, StorageError):
        return {}


@functools.lru_cache(maxsize=4)  # a run asks at its beginning and before it writes the file
def _held_attributes(path: Path, state: tuple[int, ...]) -> dict[str, Any]:
    return {} if seal.is_damaged(path, seal.RESULTS) else hdf5_foreign.read_attributes(path)


def elsewhere(found: Sweep, output: str | os.PathLike[str] | None) -> Sweep:
    """Let the results file of a sweep be another one than in the folder of results.

    A path that cannot be a results file of this experiment is refused.
    """
    if output is None:
        return found
    path, name = Path(output), found.experiment.name
    if path.suffix != ".h5":
        raise DeclarationError(f"cannot write {path}: give the path of a file that ends in .h5")
    if os.path.lexists(path) and held_attributes(path).get("experiment") != name:
        raise DeclarationError(
            f"cannot write {path}: it exists and is not a results file of {name!r}; give "
            "another path, or move it away"
        )
    is_usual = path.absolute() == found.landed.absolute()
    return found if is_usual else dataclasses.replace(found, output=path)
