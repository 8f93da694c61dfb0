"""The files that a point handed over."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sweeps.declaration import point as points
from sweeps.declaration.experiment import Experiment
from sweeps.errors import StorageError
from sweeps.history import stored_point
from sweeps.memo import contents
from sweeps.memo.contents import StoredFile
from sweeps.outputs.file import why_unsafe
from sweeps.project import discovery, sweep
from sweeps.storage import files as storage
from sweeps.text import parameters


@dataclasses.dataclass(frozen=True)
class PointFiles:
    """The files of a point.

    Attributes
    ----------
    position : int
        Of the point in its space.
    parameters : mapping of str to object
    files : mapping of str to StoredFile
    is_earlier : bool
        Whether only earlier code has computed the point.
    """

    experiment: str
    position: int
    parameters: Mapping[str, Any]
    files: Mapping[str, StoredFile]
    is_earlier: bool


def files(
    experiment: str | Experiment,
    point: int | Mapping[str, Any],
    *,
    axes: Mapping[str, Any] | None = None,
    results: str | os.PathLike[str] | None = None,
    experiments: str | os.PathLike[str] | None = None,
) -> dict[str, StoredFile]:
    """Find the files that a point handed over as `sweeps.File`.

    Parameters
    ----------
    experiment : str or Experiment
    point : int or mapping
        The number of the point, as `failures` shows it; or the value of each parameter that varies.
    axes, results, experiments
        As for `sweeps.run`; `axes` with the number of a point.

    Returns
    -------
    dict of str to StoredFile
        By the name of the output; those of a list by "output/name". Each has `name`, `size`,
        `digest`, and the methods `open`, `read_bytes` and `extract(folder)`.

    Raises
    ------
    StorageError
        If the point has no stored values.

    Examples
    --------
    >>> import sweeps
    >>> @sweeps.experiment(sweeps.grid(n=[1, 2]))
    ... def logged(n):
    ...     return {"square": n * n, "log": sweeps.File(b"n = %d" % n, name="out.log")}
    >>> results = logged.run(engine="serial", quiet=True)
    >>> log = sweeps.files(logged, {"n": 2})["log"]
    >>> log.name, log.size, log.read_bytes()
    ('out.log', 5, b'n = 2')
    """
    return dict(find(experiment, point, axes, results, experiments).files)


def find(
    wanted: str | Experiment,
    point: int | Mapping[str, Any],
    axes: Mapping[str, Any] | None = None,
    results: str | os.PathLike[str] | None = None,
    experiments: str | os.PathLike[str] | None = None,
) -> PointFiles:
    """Find the files of a point, as `files` does; values of `axes` are as they are parsed."""
    declared = discovery.find(wanted, experiments).experiment if isinstance(wanted, str) else wanted
    if isinstance(point, Mapping):
        given = {name: _several(value) for name, value in point.items()}
        experiment, position = points.at_values(declared, {**(axes or {}), **given})
    else:
        experiment, position = points.at_position(declared, axes or {}, point)
    made = sweep.resolve(experiment, results=results)
    stored = stored_point.recall(made, position)
    (own,) = experiment.space.parameters_at(np.array([position]), labels=True)
    if stored.values is None:
        shown = f"point {position} of {experiment.name!r}, {parameters(own)},"
        if stored.failure is not None:
            raise StorageError(f"{shown} failed, so it has no files: {stored.failure.message}")
        raise StorageError(f"{shown} is not computed: run it first")
    again = (
        f"python -m sweeps verify {experiment.name}, and then run, which computes the point again"
    )
    places = [made.memo, *storage.beside(made.memo)]
    found = contents.of_point(stored.values, places, again)
    return PointFiles(experiment.name, position, own, found, stored.is_earlier)


def _several(value: Any) -> Any:
    """Make of a single value what the command line makes of one."""
    return value if isinstance(value, (list, tuple)) else (value,)


def extract(of: PointFiles, folder: Path) -> list[Path]:
    """Write the files of a point, each below a folder with the name of its output."""
    for each in of.files.values():
        if reason := why_unsafe(each.output):
            raise StorageError(f"cannot extract output {each.output!r}: {reason}")
    return [each.extract(folder / each.output) for each in of.files.values()]
