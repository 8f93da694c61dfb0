"""Load a results file, by the name of its experiment or by its path."""

from __future__ import annotations

import importlib.util
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sweeps.code import reads
from sweeps.declaration.experiment import Experiment
from sweeps.errors import DeclarationError, StorageError
from sweeps.progress import presence
from sweeps.storage import dataset, files
from sweeps.text import count

if TYPE_CHECKING:
    import xarray


def load(
    experiment: str | os.PathLike[str] | Experiment,
    *,
    group: str | None = None,
    results: str | os.PathLike[str] | None = None,
    masked: bool = True,
    chunks: Any = None,
) -> xarray.Dataset:
    """Load the results of an experiment.

    Parameters
    ----------
    experiment : str, path or Experiment
        A name, which stands for a file in the results folder, or the path of a results file.
    group : str, optional
        Group of the file to load instead of the results: ``"summary"`` for the values of the
        experiment's summary.
    results : path, optional
        Results folder; by default SWEEPS_RESULTS, else ``results``.
    masked : bool
        Whether integers and bools with missing points become floats with NaN. If not, they stay
        integers, and the attribute ``_FillValue`` is the value of a missing one.
    chunks : int, dict or "auto", optional
        Read nothing now: give arrays of dask, in chunks as for `xarray.Dataset.chunk`. By default
        a file of less than 1 GiB is read at once, and a larger one when it is used.

    Returns
    -------
    xarray.Dataset
        With the dimensions and coordinates of the space; missing points are NaN.

    Warns
    -----
    UserWarning
        If integers beyond 2^53 are rounded to floats.

    Raises
    ------
    StorageError
        If there is no such file or group, or it cannot be read.
    DeclarationError
        For `chunks` without dask, or that xarray refuses.

    Warns
    -----
    UserWarning
        If a run is going on, with its progress: the file was written before.
    """
    path = results_path(experiment, results)
    tell_running(path)
    if chunks is not None:
        note_read(path)
        return _chunked(dataset.load(path, group, masked=masked, is_lazy=True), chunks)
    if not reads.is_of_use() and not reads.is_of_script():
        return dataset.load(path, group, masked=masked)
    from sweeps.results import watched

    return watched.load(path, group, masked=masked)


def _chunked(found: xarray.Dataset, chunks: Any) -> xarray.Dataset:
    if importlib.util.find_spec("dask") is None:
        raise DeclarationError(
            "load(..., chunks=...) needs dask: pip install 'sweeps[dask]'. Without `chunks`, files "
            "above 1 GiB are read when they are used"
        )
    try:
        if chunks != "auto":
            return found.chunk(chunks)
        return found.assign({n: _chunked_alone(v) for n, v in found.variables.items()})
    except (TypeError, ValueError, ArithmeticError, NotImplementedError) as error:
        raise DeclarationError(
            f"chunks is {chunks!r}, which xarray refuses: {error}. Give a size, sizes by "
            'dimension, or "auto"'
        ) from error


def _chunked_alone(variable: xarray.Variable) -> xarray.Variable:
    """Choose chunks of a variable; dask chooses none of strings, whose sizes it cannot tell."""
    if variable.dtype != object:
        return variable.chunk("auto")
    from dask.array.core import normalize_chunks

    sizes = normalize_chunks("auto", shape=variable.shape, dtype=np.dtype("U32"))
    return variable.chunk(dict(zip(variable.dims, sizes, strict=True)))


def note_read(path: Path) -> None:
    """Note, for a point or a script whose results depend on it, that all of a file is read."""
    if reads.is_of_use() or reads.is_of_script():
        from sweeps.results import watched

        watched.note_whole(path)


def tell_running(path: Path) -> None:
    """Warn of runs that go on; if there is no results file yet, raise with their progress."""
    refuse_unlanded(path)
    if not files.is_in_point() and (said := running(path)):
        told = f"{said}; these results of {path.stem!r} are from before"
        warnings.warn(told, stacklevel=3)


def refuse_unlanded(path: Path) -> None:
    """Refuse if there is no results file yet but a run is going on.

    Raises
    ------
    StorageError
    """
    if not path.exists() and (said := running(path)):
        raise StorageError(f"no results file {path} yet: {said}")


def running(path: Path) -> str:
    """Say which runs go on that will write a results file, of any code; empty if none does."""
    found = [run for run in presence.look(path.parent, path.stem) if run.silent_s is None]
    more = f" (and {count(len(found) - 1, 'more run')})" if len(found) > 1 else ""
    return f"{found[0]}{more}" if found else ""


def results_path(
    experiment: str | os.PathLike[str] | Experiment,
    results: str | os.PathLike[str] | None = None,
) -> Path:
    """Path of a results file, by the experiment or by itself.

    A path ends in ``.h5`` or has more than one part, and may lead anywhere. A name stands for a
    file in the results folder.
    """
    if isinstance(experiment, Experiment):
        experiment = experiment.name
    path = Path(experiment)
    if isinstance(experiment, os.PathLike) or path.suffix == ".h5" or len(path.parts) > 1:
        return path
    name = experiment.rpartition(".")[2]  # of module.name
    if not files.is_name(name):
        raise DeclarationError(
            f"{experiment!r:.200} is neither the name of an experiment nor the path of a "
            "results file: give a name that `python -m sweeps list` shows, or a path that "
            "ends in .h5"
        )
    return files.results_folder(results) / f"{name}.h5"
