"""Which point of a sweep is meant, by its position or by the values of parameters."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sweeps.declaration.experiment import Experiment
from sweeps.declaration.override_values import Choice, Draw, Interval
from sweeps.declaration.resweep import resweep
from sweeps.errors import DeclarationError, UnknownNameError, nearest
from sweeps.spaces.accept import accept_like
from sweeps.spaces.keys import STEP, check
from sweeps.spaces.product import Positions
from sweeps.spaces.space import Space
from sweeps.spaces.values import NUMERIC, Values, encode, label, short

_RELATIVE = 1e-6

_OF_LARGEST = 1e-12
"""So far from a value, as a part of it or of the largest, people still mean it."""

_MOST_SHOWN = 8

_MOST_CHARACTERS = 60


def at_position(
    experiment: Experiment, axes: Mapping[str, Any], number: int
) -> tuple[Experiment, int]:
    """Find a point by its position among those of a run with the same axes."""
    swept = resweep(experiment, axes) if axes else experiment
    check(swept)
    space = swept.space
    if not 0 <= number < space.n_positions:
        raise DeclarationError(
            f"{swept.name!r} has no point {short(number)}: the first is 0, the last is "
            f"{space.n_positions - 1}; `failures` shows the numbers of those that failed"
        )
    if not _accepted(space, np.array([number]))[0]:
        (point,) = space.parameters_at(np.array([number]), labels=True)
        shown = ", ".join(f"{name}={label(value)}" for name, value in point.items())
        raise DeclarationError(
            f"point {number} of {swept.name!r}, {shown}, is excluded by .where(): give another"
        )
    return swept, number


def at_values(experiment: Experiment, given: Mapping[str, Any]) -> tuple[Experiment, int]:
    """Find the point that has the given values.

    A single value of a parameter selects among the points; that of a constant takes its place, and
    several values of anything are swept, both as in a run.

    Returns
    -------
    experiment : Experiment
        With these constants and values.
    position : int
        Of the point in its space.
    """
    sampled = (Interval, Choice, Draw)
    single = {n: raw for n, raw in given.items() if not isinstance(raw, sampled) and len(raw) == 1}
    swept = {name: raw for name, raw in given.items() if name not in single}
    experiment = resweep(experiment, swept) if swept else experiment
    fixed = {name: raw for name, raw in single.items() if name not in experiment.space.parameters}
    experiment = resweep(experiment, fixed) if fixed else experiment
    check(experiment)
    space = experiment.space
    wanted = {
        name: _code(experiment, name, space.columns[name].table, next(iter(raw)))
        for name, raw in single.items()
        if name not in fixed
    }
    return experiment, _only(experiment, wanted)


def _only(experiment: Experiment, wanted: Mapping[str, int]) -> int:
    """Position of the only point with the wanted codes; of equal ones the first."""
    space = experiment.space
    n_points, n_excluded, first = 0, 0, -1
    differing: set[str] = set()
    swept = [name for name in space.parameters if name not in {*space.derived, *wanted}]
    for positions in _candidates(space, wanted):
        is_accepted = _accepted(space, positions)
        n_excluded += int(np.count_nonzero(~is_accepted))
        left = positions[is_accepted]
        if not len(left):
            continue
        first = int(left[0]) if first < 0 else first
        n_points += len(left)
        codes = space.codes(np.concatenate([[first], left]))
        differing |= {name for name in swept if (codes[name] != codes[name][0]).any()}
    if n_points == 0:
        why = "it is excluded by .where()" if n_excluded else "these values do not occur together"
        raise DeclarationError(f"{experiment.name!r} has no point with the values given: {why}")
    if differing:
        names = [name for name in swept if name in differing]
        raise DeclarationError(
            f"which of {n_points:,} points of {experiment.name!r}? They differ in "
            f"{', '.join(names)}: give {'it' if len(names) == 1 else 'them'} too, as in "
            f"{names[0]}={_shown(space, names[0], first)}, or --point N"
        )
    return first


def _shown(space: Space, name: str, position: int) -> str:
    (point,) = space.parameters_at(np.array([position]), labels=True)
    return label(point[name]) if name in point else "…"


def _candidates(space: Space, wanted: Mapping[str, int]) -> Iterator[Positions]:
    """Positions that have the wanted codes, those that ``where`` excludes too."""
    along: list[npt.NDArray[np.int64]] = []
    for dimension in space.dimensions:
        keep = np.ones(dimension.size, dtype=bool)
        for column in dimension.columns:
            if column.name in wanted:
                keep &= column.at(np.arange(dimension.size)) == wanted[column.name]
        along.append(np.flatnonzero(keep))
    derived = [name for name in space.derived if name in wanted]
    counts, sizes = tuple(map(len, along)), tuple(d.size for d in space.dimensions)
    for start in range(0, math.prod(counts), STEP):
        flat = np.arange(start, min(start + STEP, math.prod(counts)))
        if counts:
            index = [own[at] for own, at in zip(along, np.unravel_index(flat, counts), strict=True)]
            flat = np.ravel_multi_index(index, sizes)
        if derived:
            codes = space.codes(flat)
            flat = flat[np.all([codes[name] == wanted[name] for name in derived], axis=0)]
        yield flat


def _accepted(space: Space, positions: Positions) -> npt.NDArray[np.bool_]:
    if space.accepted is None:
        return np.ones(len(positions), dtype=bool)
    if not len(space.accepted):
        return np.zeros(len(positions), dtype=bool)
    at = np.searchsorted(space.accepted, positions)
    found: npt.NDArray[np.bool_] = space.accepted.take(at, mode="clip") == positions
    return found


def _code(experiment: Experiment, name: str, table: Values, raw: Any) -> int:
    """Code of the value that you mean if you type it as it is shown."""
    found = _find(name, table, raw)
    if len(found) == 1:
        return found[0]
    near = [label(table.element(code)) for code in _nearest(table, raw)]
    advice = nearest(label(raw), near) if table.kind not in NUMERIC else ""
    what = "is near several of" if found else "is none of"
    said = f"{name}={label(raw)[:_MOST_CHARACTERS]} {what} the {len(table):,} values in the sweep"
    is_number = type(raw) in (int, float) and table.kind in NUMERIC
    are = "nearest" if is_number else "found" if len(near) == len(table) else "such as"
    said += f" ({are}: {', '.join(near)})" if near else ""
    other = ""
    if any(d.is_axis and d.name == name for d in experiment.space.dimensions):
        other = " For a point outside the sweep, give all its values and --point 0."
    raise DeclarationError(f"{said}.{advice}{other}")


def _find(name: str, table: Values, raw: Any) -> Sequence[int]:
    """Codes of a value: that of the same value, else those near it or shown alike."""
    if table.kind in NUMERIC and table.kind != "bool" and type(raw) in (int, float):
        return _find_number(table, raw)
    text = label(raw)
    elements = list(table.elements())
    with contextlib.suppress(DeclarationError, UnknownNameError):
        (wanted,) = accept_like(table, name, (raw,)).elements()
        identity = encode(wanted)
        if found := [code for code, e in enumerate(elements) if encode(e) == identity]:
            return found
    return [code for code, element in enumerate(elements) if label(element) == text]


def _find_number(table: Values, raw: float) -> Sequence[int]:
    values = table.coordinate()
    exact = np.flatnonzero(values == raw)
    if len(exact) or table.kind == "int" or not len(values):
        return exact.tolist()
    try:
        distance = np.abs(values - float(raw))
    except OverflowError:
        return []
    size = np.abs(values)
    close = distance <= _RELATIVE * np.maximum(size, abs(raw))
    close |= distance <= _OF_LARGEST * size.max()
    return np.flatnonzero(close).tolist()


def _nearest(table: Values, raw: Any) -> Sequence[int]:
    """Codes of the values to name in an error: the next numbers, or the first of all others."""
    if table.kind in ("int", "float") and type(raw) in (int, float) and len(table):
        with contextlib.suppress(OverflowError):
            distance = np.abs(table.coordinate().astype(float) - float(raw))
            return sorted(np.argsort(distance, kind="stable")[:2].tolist())
    return range(min(len(table), _MOST_SHOWN))
