"""Results as files of other programs."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path

from sweeps.declaration.experiment import Experiment
from sweeps.errors import DeclarationError
from sweeps.exports import formats
from sweeps.exports.formats import Exported
from sweeps.operations import load


def export(
    experiment: str | os.PathLike[str] | Experiment,
    path: str | os.PathLike[str],
    *,
    status: str = "done",
    arrays: str | Sequence[str] = (),
    overwrite: bool = False,
    results: str | os.PathLike[str] | None = None,
) -> Exported:
    """Write results into a file of another format; its name ends in what the format is.

    Parameters
    ----------
    experiment : str, path or Experiment
        A name, which stands for a file in the results folder, or the path of a results file.
    path : path
        Ends in ``.csv``, ``.parquet`` or ``.xlsx`` for a table with a row for each finished point,
        as `table` gives it; or in ``.nc``, ``.zarr`` or ``.mat`` for arrays over the whole space.
    status : {"done", "failed", "missing", "excluded", "all"}
        Which points a table has.
    arrays : str or sequence of str
        Outputs that are arrays and that a table is to have, too.
    overwrite : bool
        Whether a file that is there may be replaced.
    results : path, optional
        Results folder; by default SWEEPS_RESULTS, else ``results``.

    Returns
    -------
    Exported
        The path, the number of points, the columns, and the outputs that are left out.

    Raises
    ------
    DeclarationError
        For a name with another end, a file that is there, a library that is missing, and values
        that the format cannot hold; the message names them. Then nothing is written.
    StorageError
        If the results cannot be read or the file cannot be written.

    Examples
    --------
    >>> import sweeps
    >>> from sweeps import experiment, grid
    >>> @experiment(grid(x=[1, 2, 3]))
    ... def halved(x):
    ...     return {"half": x / 2, "text": "=x"}
    >>> results = halved.run(engine="serial")
    >>> written = sweeps.export("halved", "halved.csv")  # warns of text that looks like a formula
    >>> written.points, written.columns
    (3, ('x', 'half', 'text'))
    >>> print(open("halved.csv").read())
    x,half,text
    1,0.5,=x
    2,1.0,=x
    3,1.5,=x
    """
    made = export_file(
        load.results_path(experiment, results), path, status, arrays, overwrites=overwrite
    )
    for told in made.warnings:
        warnings.warn(told, stacklevel=2)
    return made


def export_file(
    source: Path,
    path: str | os.PathLike[str],
    status: str,
    arrays: str | Sequence[str],
    *,
    overwrites: bool,
) -> Exported:
    """Write a results file as `export` does; the warnings are in what it returns."""
    if not isinstance(path, str | os.PathLike):
        raise DeclarationError(f"cannot write {path!r}: give the path of a file")
    load.refuse_unlanded(source)
    load.note_read(source)
    return formats.export(source, Path(path), status=status, arrays=arrays, overwrites=overwrites)
