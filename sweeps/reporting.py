"""Reporting: what is there, what is missing, what failed. Reads only."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sweeps import gathering, loading, memo, subject, values
from sweeps.declaring import Experiment
from sweeps.finding import Broken, find_all
from sweeps.space import Space

if TYPE_CHECKING:
    import xarray


@dataclasses.dataclass(frozen=True)
class Listed:
    """An experiment, or a module that could not be imported."""

    name: str
    module: str
    points: int | None
    summary: str
    error: str | None

    @property
    def full_name(self) -> str:
        """``module.name``, which is unique."""
        return f"{self.module}.{self.name}"


@dataclasses.dataclass(frozen=True)
class Planned:
    """What a run would do; the last four add up to `points`."""

    experiment: str
    points: int
    reused: int
    missing: int
    failed: int
    stale: int


@dataclasses.dataclass(frozen=True)
class Status:
    """How far an experiment is; `done` to `stale` add up to `points`."""

    experiment: str
    points: int
    done: int
    missing: int
    failed: int
    stale: int
    results: str
    fingerprint: str


@dataclasses.dataclass(frozen=True)
class FailedPoint:
    """A point that has no values, and why."""

    params: Mapping[str, Any]
    kind: str
    type: str
    message: str
    traceback: str
    attempts: int


@dataclasses.dataclass(frozen=True)
class Statistics:
    """One output of a results file in short; numbers only where it holds numbers."""

    name: str
    dims: tuple[str, ...]
    dtype: str
    units: str
    n_values: int
    n_missing: int
    minimum: float | None
    mean: float | None
    maximum: float | None
    standard_deviation: float | None


def listed(experiments: str | os.PathLike[str] | None = None) -> list[Listed]:
    """List all experiments that can be found, and the modules that cannot be imported."""
    found, broken = find_all(experiments)
    rows = [
        Listed(
            f.experiment.name,
            f.location.module,
            len(f.experiment.space),
            f.experiment.summary,
            None,
        )
        for f in found
    ]
    return rows + [_listed_broken(b) for b in broken]


def _listed_broken(broken: Broken) -> Listed:
    return Listed(broken.location.name, broken.location.module, None, "", broken.error)


def plan(
    experiment: str | Experiment,
    *,
    space: Space | None = None,
    axes: Mapping[str, Any] | None = None,
    results: str | os.PathLike[str] | None = None,
    experiments: str | os.PathLike[str] | None = None,
    recompute: bool = False,
) -> Planned:
    """Say what a run would do; nothing is computed.

    Parameters
    ----------
    experiment, space, axes, results, experiments
        As for `sweeps.run`.
    recompute : bool
        Whether the run would compute known points again.
    """
    made = subject.resolve(
        experiment, results=results, experiments=experiments, axes=axes, space=space
    )
    return planned(made, recompute=recompute)


def planned(made: subject.Subject, *, recompute: bool = False) -> Planned:
    """Say what a run of a subject would do."""
    todo = subject.plan(made, memo.scan(made.memo), recompute=recompute)
    return Planned(
        made.experiment.name,
        todo.n_points,
        todo.n_reused,
        todo.n_missing,
        todo.n_failed,
        todo.n_stale,
    )


def status(
    experiment: str | Experiment,
    *,
    results: str | os.PathLike[str] | None = None,
    experiments: str | os.PathLike[str] | None = None,
) -> Status:
    """Say how far an experiment is.

    Parameters
    ----------
    experiment, results, experiments
        As for `sweeps.run`.
    """
    made = subject.resolve(experiment, results=results, experiments=experiments)
    return status_of(made)


def status_of(made: subject.Subject) -> Status:
    """Say how far a subject is; outputs that do not fit each other count as failed."""
    index = memo.scan(made.memo)
    counts = subject.plan(made, index)
    n_refused = gathering.count_refused(made.keys, index)
    return Status(
        made.experiment.name,
        counts.n_points,
        counts.n_reused - n_refused,
        counts.n_missing,
        counts.n_failed + n_refused,
        counts.n_stale,
        str(made.landed),
        made.fingerprint.digest,
    )


def failures(made: subject.Subject) -> list[FailedPoint]:
    """List the failed points of a subject, in the order of its space."""
    gathered = gathering.gather(made.keys, memo.scan(made.memo))
    at = sorted(gathered.failures)
    points = made.experiment.space.parameters_at(np.array(at, dtype=np.int64), labels=True)
    return [
        FailedPoint(params, f.kind, f.type, f.message, f.traceback, f.attempts)
        for params, f in zip(points, map(gathered.failures.__getitem__, at), strict=True)
    ]


def load(
    experiment: str | os.PathLike[str] | Experiment,
    *,
    results: str | os.PathLike[str] | None = None,
) -> xarray.Dataset:
    """Load the results of an experiment.

    Parameters
    ----------
    experiment : str, path or Experiment
        A name, looked for in the folder of results, or the path of a results file.
    results : path, optional
        Folder of results; by default SWEEPS_RESULTS, else ``results``.

    Returns
    -------
    xarray.Dataset
        Dimensions and coordinates as the space has them; missing points are NaN.

    Raises
    ------
    StorageError
        Where there is no such file, or it cannot be read.
    """
    return loading.load(results_path(experiment, results))


def results_path(
    experiment: str | os.PathLike[str] | Experiment,
    results: str | os.PathLike[str] | None = None,
) -> Path:
    """Path of a results file, by the experiment or by itself."""
    if isinstance(experiment, Experiment):
        experiment = experiment.name
    path = Path(experiment)
    if isinstance(experiment, os.PathLike) or path.suffix == ".h5" or len(path.parts) > 1:
        return path
    return subject.results_folder(results) / f"{experiment}.h5"


def statistics(dataset: xarray.Dataset) -> list[Statistics]:
    """Describe every output of a loaded results file."""
    return [_statistics(str(name), array) for name, array in dataset.data_vars.items()]


def _statistics(name: str, array: xarray.DataArray) -> Statistics:
    content = array.values
    missing = content == "" if content.dtype == object else array.isnull().values
    numbers: tuple[float | None, ...] = (None, None, None, None)
    present = content[~missing]
    if present.size and present.dtype.kind in "biuf":
        numbers = (
            float(present.min()),
            float(present.mean()),
            float(present.max()),
            float(present.std()),
        )
    return Statistics(
        name,
        tuple(map(str, array.dims)),
        str(content.dtype if content.dtype != object else "str"),
        str(array.attrs.get("units", "")),
        int(content.size),
        int(np.count_nonzero(missing)),
        *numbers,
    )


def rows(dataset: xarray.Dataset, n_rows: int) -> tuple[list[str], list[list[Any]]]:
    """Lay the first points of a dataset out as a table, array outputs left out.

    Returns
    -------
    header : list of str
    lines : list of list
        Coordinates first, then outputs, as Python's own values.
    """
    per_point = _point_dims(dataset)
    names = [
        str(name)
        for name in (*dataset.coords, *dataset.data_vars)
        if dataset[name].dims and set(dataset[name].dims) <= set(per_point)
    ]
    shape = tuple(dataset.sizes[dim] for dim in per_point)
    lines = []
    for flat in range(min(n_rows, int(np.prod(shape)))):
        at = dict(zip(per_point, map(int, np.unravel_index(flat, shape)), strict=True))
        own = (dataset[name] for name in names)
        lines.append([a.isel({d: at[d] for d in map(str, a.dims)}).values.tolist() for a in own])
    return names, lines


def _point_dims(dataset: xarray.Dataset) -> tuple[str, ...]:
    """Dimensions of the space: those that all outputs share."""
    shared = [set(map(str, array.dims)) for array in dataset.data_vars.values()]
    common = set.intersection(*shared) if shared else set()
    return tuple(str(dim) for dim in dataset.sizes if dim in common)


def plain(value: Any) -> Any:
    """Make of a parameter's value what JSON can hold.

    Examples
    --------
    >>> plain(1.5), plain((1, None)), plain(2j)
    (1.5, [1, None], '2j')
    """
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, (datetime.date, datetime.datetime)):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(part) for part in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return values.label(value)
