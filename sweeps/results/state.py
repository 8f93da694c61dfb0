"""Whether a results file shows all that the memo has, by its attributes alone."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from sweeps.errors import DeclarationError, LaterFormatError, StorageError
from sweeps.memo import listing
from sweeps.project.sweep import Sweep
from sweeps.storage import hdf5_foreign, seal

STATE = "sweeps_state"
"""Attribute of a results file that says what it was made from."""

LAYOUT = "sweeps_layout"
"""Attribute of a results file that says which point stands where."""

COUNTS = ("n_points", "n_done", "n_failed", "n_excluded", "n_known")
"""Attributes of a results file: points of each kind in it, and those that the memo knew in all."""


def is_fresh(sweep: Sweep, held: Mapping[str, Any]) -> bool:
    """Whether a results file shows all that the memo has; `held` are its attributes."""
    if not all(isinstance(held.get(name), int) for name in COUNTS):
        return False  # not ours, or damaged
    names = beside(sweep, listing.listing(sweep.memo))
    return bool(held.get(STATE) == sweep.state(names))


def beside(sweep: Sweep, names: Iterable[str]) -> list[str]:
    """Leave out of the names of segments that of the results file itself."""
    try:
        digest = seal.held(sweep.landed, seal.RESULTS)
    except OSError:
        digest = None
    own = None if digest is None else listing.name_of(digest)
    return [name for name in names if name != own]


class Counts(NamedTuple):
    """How many points of which kind a results file has; done and failed ones are all there are.

    Attributes
    ----------
    n_known : int
        Points that the memo has values of, those of other spaces too.
    state : str
        Of the file that was looked at, which another run may have replaced since.
    """

    n_points: int
    n_done: int
    n_failed: int
    n_excluded: int
    n_known: int
    state: str


def whole(sweep: Sweep, held: Mapping[str, Any]) -> Counts | None:
    """Say what the results file has if it shows all that the memo has, and no point is missing.

    Parameters
    ----------
    held : mapping
        Its `held_attributes`, which take a while to read: all that follows is of one look.
    """
    if not is_fresh(sweep, held):
        return None
    numbers = [n if type(n := held[name]) is int else -1 for name in COUNTS]
    n_points, n_done, n_failed, n_excluded, n_known = numbers
    counts = Counts(n_points, n_done, n_failed, n_excluded, n_known, held[STATE])
    is_sound = min(numbers) >= 0 and counts.n_points == len(sweep.experiment.space)
    return counts if is_sound and counts.n_done + counts.n_failed == counts.n_points else None


def held_attributes(path: Path) -> dict[str, Any]:
    """Attributes of a results file; empty where there is none, or a damaged one.

    Raises
    ------
    LaterFormatError
        For one of a later format, which is not to be replaced.
    """
    try:
        if seal.is_damaged(path, seal.RESULTS):
            return {}
        return hdf5_foreign.read_attributes(path)
    except LaterFormatError:
        raise
    except (OSError, StorageError):
        return {}


def elsewhere(found: Sweep, output: str | os.PathLike[str] | None) -> Sweep:
    """Have a sweep's results land in another file than that of the folder of results.

    Raises
    ------
    DeclarationError
        For a path that is no results file of this experiment and may not become one.
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
