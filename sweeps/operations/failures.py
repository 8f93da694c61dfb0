"""Failed points, and what points printed."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from sweeps.declaration import checks
from sweeps.declaration.experiment import Experiment
from sweeps.execution import printed as texts
from sweeps.project import sweep
from sweeps.results import adopt, collect, state
from sweeps.spaces import keys
from sweeps.spaces.space import Space


@dataclasses.dataclass(frozen=True)
class PrintedPoint:
    """What a point printed, and its warnings: category and message, then the place."""

    position: int
    params: Mapping[str, Any]
    printed: str
    warnings: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class FailedPoint:
    """A point without values, and why.

    Attributes
    ----------
    position : int
        Its number in the space, as in the results file and for ``reproduce --point``.
    checkpoint : str
        What it has left to go on from, in words; empty if nothing.
    """

    position: int
    params: Mapping[str, Any]
    kind: str
    type: str
    message: str
    traceback: str = dataclasses.field(repr=False)
    attempts: int
    checkpoint: str = ""


def failures(
    experiment: str | Experiment,
    *,
    space: Space | None = None,
    axes: Mapping[str, Any] | None = None,
    only: str | None = None,
    results: str | os.PathLike[str] | None = None,
    experiments: str | os.PathLike[str] | None = None,
) -> list[FailedPoint]:
    """List the failed points, each with its parameters, message and traceback.

    Parameters
    ----------
    experiment, space, axes, only, results, experiments
        As for `sweeps.run`.

    Returns
    -------
    list of FailedPoint
        In the order of the space. `params` holds the values of a point's parameters; `kind` is
        "exception", "timeout", "died" or "output".

    Examples
    --------
    >>> [(each.params["x"], each.message) for each in sweeps.failures("half")]  # doctest: +SKIP
    [(1, 'odd: 1'), (3, 'odd: 3')]
    """
    return failures_of(
        sweep.resolve(
            experiment, results=results, experiments=experiments, axes=axes, space=space, only=only
        )
    )


def failures_of(made: sweep.Sweep) -> list[FailedPoint]:
    """List the failed points of a sweep, in the order of its space."""
    index = adopt.scan(made, state.held_attributes(made.landed))
    gathered = collect.gather(made.experiment, made.keys, index)
    at = sorted(gathered.failures)
    points = made.experiment.space.parameters_at(np.array(at, dtype=np.int64), labels=True)
    found = [
        FailedPoint(position, params, f.kind, f.type, f.message, f.traceback, f.attempts)
        for position, params in zip(at, points, strict=True)
        for f in [gathered.failures[position]]
    ]
    if checks.CHECKPOINT not in made.experiment.services or not found:
        return found
    from sweeps.worker import checkpoints  # few experiments have some

    own = made.keys(np.array(at, dtype=np.int64)).tolist()
    return [
        dataclasses.replace(each, checkpoint=checkpoints.said_of(made.memo, key))
        for each, key in zip(found, own, strict=True)
    ]


def shown_elsewhere(made: sweep.Sweep) -> tuple[int, str]:
    """Count the failed points that the results file shows, and tell by which command.

    They may be of another space than that of this sweep.
    """
    held = state.held_attributes(made.landed)
    n_failed = held.get("n_failed", 0)
    return (n_failed if type(n_failed) is int else 0), str(held.get("command", ""))


def printed(
    experiment: str | Experiment,
    *,
    space: Space | None = None,
    axes: Mapping[str, Any] | None = None,
    only: str | None = None,
    results: str | os.PathLike[str] | None = None,
    experiments: str | os.PathLike[str] | None = None,
) -> list[PrintedPoint]:
    r"""List the points that printed something or warned while they were computed.

    Parameters
    ----------
    experiment, space, axes, only, results, experiments
        As for `sweeps.run`.

    Returns
    -------
    list of PrintedPoint
        In the order of the space. `printed` is what a point wrote to stdout and stderr, `warnings`
        are its warnings, each with its place in the next line.

    Examples
    --------
    >>> from sweeps import experiment, grid
    >>> @experiment(grid(x=[1, 2, 3]))
    ... def odd(x):
    ...     if x % 2:
    ...         print("computing", x)
    ...     return x
    >>> results = odd.run(engine="serial", quiet=True)
    >>> [(each.params["x"], each.printed) for each in printed(odd)]
    [(1, 'computing 1\n'), (3, 'computing 3\n')]
    """
    return printed_points(
        sweep.resolve(
            experiment, results=results, experiments=experiments, axes=axes, space=space, only=only
        )
    )


def printed_points(made: sweep.Sweep) -> list[PrintedPoint]:
    """List the points of a sweep that printed something or warned, in the order of its space."""
    known, found = texts.read(made.memo), []
    space = made.experiment.space
    for start in range(0, len(space) if known else 0, keys.STEP):
        positions = space.positions(start, min(start + keys.STEP, len(space)))
        own = texts.find(known, made.keys(positions))
        at = positions[list(own)] if own else positions[:0]
        rows = zip(at.tolist(), space.parameters_at(at, labels=True), own.values(), strict=True)
        found += [PrintedPoint(n, params, t.printed, t.warnings) for n, params, t in rows]
    return found
