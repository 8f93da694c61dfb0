"""Write the results file from stored results; compute nothing."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from sweeps.code import provenance
from sweeps.declaration.experiment import Experiment
from sweeps.errors import StorageError
from sweeps.memo import claims
from sweeps.memo import index as memo
from sweeps.project import sweep
from sweeps.project.sweep import Sweep
from sweeps.results import adopt, deliver, known_points, state, update
from sweeps.text import count

if TYPE_CHECKING:
    import xarray


class Landed(NamedTuple):
    """What a results file holds now, as `sweeps.status` counts it, and warnings about it."""

    experiment: str
    points: int
    done: int
    failed: int
    missing: int
    known: int
    results: str
    state: str
    warnings: tuple[str, ...]


def land(
    experiment: str | Experiment,
    *,
    everything: bool = False,
    axes: Mapping[str, Any] | None = None,
    output: str | os.PathLike[str] | None = None,
    results: str | os.PathLike[str] | None = None,
    experiments: str | os.PathLike[str] | None = None,
) -> xarray.Dataset:
    """Write the results file of an experiment from stored results, and load it; compute nothing.

    Parameters
    ----------
    experiment, axes, results, experiments
        As for `sweeps.run`.
    everything : bool
        Whether to include all points that the present code has ever computed, instead of those of
        the declared space.
    output : path, optional
        File to write instead of ``results/NAME.h5``.

    Returns
    -------
    xarray.Dataset
        Points that were never computed are missing in it.

    Raises
    ------
    StorageError
        If no results are stored, or the file cannot be written.
    """
    made = sweep.resolve(experiment, results=results, experiments=experiments, axes=axes)
    made, landed = land_sweep(state.elsewhere(made, output), everything=everything)
    for told in landed.warnings:
        warnings.warn(told, stacklevel=2)
    return deliver.deliver(made, landed.state)


def land_sweep(made: Sweep, *, everything: bool = False) -> tuple[Sweep, Landed]:
    """Write the results file of a sweep, or with `everything` of all its known points."""
    started, held = provenance.now(), state.held_attributes(made.landed)
    adopt.adopt(made, held)
    index = memo.scan(made.memo)
    if not index.n_known and not index.failures:
        name = made.experiment.name
        raise StorageError(
            f"the present code has no results of {name!r}: compute some first: python -m "
            f"sweeps run {name}"
        )
    with contextlib.closing(claims.Claims(made.memo, made.keys)) as present:
        index = update.settle(index, present)
    told: list[str] = []
    if everything:
        found = known_points.everything(made, index)
        made = made.over(found.experiment)
        if found.n_hidden:
            told.append(
                f"{count(found.n_hidden, 'known point')} cannot be in one file with the others: "
                f"{found.why}; to write them, run with their values"
            )
    refreshed = update.refresh(made, index, started, is_last=True)
    gathered = refreshed.gathered
    if not everything and (said := known_points.shrunk(held, made, gathered)):
        told.append(said)
    n_points, n_done = len(made.experiment.space), gathered.count("done")
    n_failed = gathered.count("failed")
    return made, Landed(
        made.experiment.name,
        n_points,
        n_done,
        n_failed,
        n_points - n_done - n_failed,
        index.n_known,
        str(made.landed),
        refreshed.state,
        (*refreshed.warnings, *told),
    )
