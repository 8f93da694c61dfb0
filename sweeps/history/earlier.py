"""Earlier code of an experiment, its results, and their keys with new arguments."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sweeps.declaration import checks
from sweeps.declaration.override_values import Choice, Draw, Interval
from sweeps.errors import DeclarationError, SweepsError, unknown
from sweeps.memo import index as memo
from sweeps.memo import listing
from sweeps.memo.acceptance import NO_SHIFT, Shift
from sweeps.project.sweep import Sweep
from sweeps.spaces import keys, values
from sweeps.spaces.accept import accept_like
from sweeps.spaces.keys import KeyMaker
from sweeps.storage import files

_MIN_PREFIX = 4


@dataclasses.dataclass(frozen=True)
class Earlier:
    """Earlier code, and its results for points of the present space.

    Attributes
    ----------
    index : memo.Index
        Its stored results.
    computed_ns : int
        When its newest results were computed, in nanoseconds since 1970.
    n_points : int
        Points of the space that have results of it, and none of the present code.
    is_accepted : bool
        Whether its results count as results of the present code.
    """

    fingerprint: str
    folder: Path
    index: memo.Index = dataclasses.field(repr=False, compare=False)
    computed_ns: int
    n_points: int
    is_accepted: bool


def listed(sweep: Sweep, index: memo.Index, shift: Shift = NO_SHIFT) -> list[Earlier]:
    """List the earlier code that has results of an experiment, the newest first.

    Parameters
    ----------
    index : memo.Index
        Stored results of the present code.
    shift : Shift
        What to add to the keys of earlier points to get those of the present points.
    """
    keys.check(sweep.experiment)
    is_known = entries(sweep, index) >= 0
    accepted = {source.folder for source in listing.sources(sweep.memo)}
    found = [_look(sweep, is_known, folder, shift, accepted) for folder in files.beside(sweep.memo)]
    return sorted(filter(None, found), key=lambda e: e.computed_ns, reverse=True)


def _look(
    sweep: Sweep,
    is_known: npt.NDArray[np.bool_],
    folder: Path,
    shift: Shift,
    accepted: set[Path],
) -> Earlier | None:
    index = memo.scan(folder)
    if not index.segments:
        return None
    is_new = (entries(sweep, shifted(index, shift)) >= 0) & ~is_known
    newest = max(each.created_ns for each in index.segments.values())
    return Earlier(folder.name, folder, index, newest, int(is_new.sum()), folder in accepted)


def entries(sweep: Sweep, index: memo.Index) -> memo.Entries:
    """Find the entry with the values of each position of a space; -1 where there is none."""
    if not index.parts:
        return np.full(sweep.keys.space.n_positions, -1)
    return memo.match(sweep.keys, index).entries


def choose(sweep: Sweep, found: Sequence[Earlier], given: str | None) -> Earlier:
    """Choose earlier code: by its fingerprint or the first digits, else the newest with new points.

    New points are points of the space without results of the present code. If no earlier code has
    any, the newest is chosen.
    """
    name = sweep.experiment.name
    if not found:
        raise SweepsError(f"{name!r} has no results of earlier code")
    if given is None:
        return next((each for each in found if each.n_points), found[0])
    matches = [e for e in found if e.fingerprint.startswith(given.lower())]
    if len(given) < _MIN_PREFIX or len(matches) > 1:
        raise SweepsError(
            f"{given!r} is too short to identify an earlier code of {name!r}: give at least "
            f"{_MIN_PREFIX} digits of {', '.join(e.fingerprint for e in matches or found)}"
        )
    if not matches:
        if sweep.fingerprint.digest.startswith(given.lower()):
            raise SweepsError(f"{given!r} is the present code of {name!r}: give an earlier one")
        listed_names = [each.fingerprint for each in found]
        raise unknown("earlier code", given, listed_names, f"of {name!r}")
    return matches[0]


@dataclasses.dataclass(frozen=True)
class Gained:
    """Arguments that are new.

    Attributes
    ----------
    defaults : mapping of str to str
        The value, as text, that the earlier code used in effect.
    shift, stream_shift : Shift
        What to add to the keys of points, and of their random streams.
    """

    defaults: Mapping[str, str]
    shift: Shift
    stream_shift: Shift


def gained(sweep: Sweep, given: Mapping[str, Any] | None) -> Gained:
    """Find what to add to keys for arguments that earlier code did not have.

    Raises
    ------
    SweepsError
        If a name is not an argument of the function, or has several values.
    """
    experiment = sweep.experiment
    provided = {*experiment.resources, *experiment.services}
    arguments = checks.arguments(experiment.function, provided)
    named = {}
    total, streams = keys.NOTHING.copy(), keys.NOTHING.copy()
    for name, raw in (given or {}).items():
        if name not in arguments:
            raise unknown("argument", name, arguments, f"of {experiment.name}()")
        table = _table(sweep, name, raw)
        named[name] = values.label(table.element(0))
        total += keys.hash_values(name, table, experiment.label_tokens(table))
        if name not in experiment.common_random_numbers:
            streams += keys.hash_values(name, table)
    return Gained(named, _lanes(total), _lanes(streams))


def _table(sweep: Sweep, name: str, raw: Any) -> values.Values:
    """Make the value, of the argument's present type."""
    experiment, columns = sweep.experiment, sweep.experiment.space.columns
    like = columns[name].table if name in columns else experiment.constants.get(name)
    is_one = not isinstance(raw, (Interval, Choice, Draw))
    table = accept_like(like, name, raw) if is_one else None
    if table is None or len(table) != 1:
        raise DeclarationError(
            f"--new-default {name}: give one value, the one that results from before this "
            f"argument count for, not {raw if table is None else f'{len(table)} values'}"
        )
    return table


def _lanes(total: keys.Keys) -> Shift:
    return int(total[0, 0]), int(total[0, 1])


def with_earlier_streams(made: KeyMaker, by: Gained) -> KeyMaker:
    """Draw the random numbers that points drew before the arguments were added."""
    if made.stream_constant is None:
        return made
    back = made.stream_constant - np.array([by.stream_shift], dtype=np.uint64)
    return dataclasses.replace(made, stream_constant=back)


def own(index: memo.Index) -> memo.Index:
    """Leave out accepted results of earlier code."""
    return dataclasses.replace(
        index, segments={name: s for name, s in index.segments.items() if not s.rank}
    )


def shifted(index: memo.Index, shift: Shift) -> memo.Index:
    """Add hashes of parameters that are the same at all points to all keys."""
    if shift == NO_SHIFT:
        return index
    moved = {name: s.accepted(s.rank, shift) for name, s in index.segments.items()}
    return dataclasses.replace(index, segments=moved)
