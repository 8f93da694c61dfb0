"""Results as a table of pandas."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sweeps.declaration.experiment import Experiment
from sweeps.exports import columns, source
from sweeps.operations import load

if TYPE_CHECKING:
    import pandas


def table(
    experiment: str | os.PathLike[str] | Experiment,
    *,
    status: str = "done",
    arrays: str | Sequence[str] = (),
    results: str | os.PathLike[str] | None = None,
) -> pandas.DataFrame:
    """Load results as a table with a row for each finished point.

    Parameters
    ----------
    experiment : str, path or Experiment
        A name, which stands for a file in the results folder, or the path of a results file.
    status : {"done", "failed", "missing", "excluded", "all"}
        Which points. With "all", the column ``status`` says what each one is.
    arrays : str or sequence of str
        Outputs that are arrays and are to be columns, of one array a row.
    results : path, optional
        Results folder; by default SWEEPS_RESULTS, else ``results``.

    Returns
    -------
    pandas.DataFrame
        With the parameters, then the outputs. Its index is the position of each point in the
        space, as in `failures` and for ``reproduce --point``. Each column has the dtype that was
        returned. If integers or booleans are missing at some of these points, it is the nullable
        one of pandas, such as ``Int64``; so they stay exact. Constants are left out.

    Raises
    ------
    StorageError
        If there is no such file, or it cannot be read.
    UnknownNameError
        If `arrays` names no array.

    Warns
    -----
    UserWarning
        If a run is going on, with its progress: the file was written before.

    Examples
    --------
    >>> from sweeps import experiment, grid, table
    >>> @experiment(grid(x=[1, 0, 2]))
    ... def divided(x):
    ...     return {"half": 12 // x, "is_even": x % 2 == 0}
    >>> results = divided.run(engine="serial")  # warns that x=0 failed
    >>> print(table("divided").to_string())
              x  half  is_even
    position
    0         1    12    False
    2         2     6     True
    >>> print(table("divided", status="all").to_string())
               status  x  half  is_even
    position
    0            done  1    12    False
    1          failed  0  <NA>     <NA>
    2            done  2     6     True
    """
    path = load.results_path(experiment, results)
    load.tell_running(path)
    load.note_read(path)
    with source.opened(path) as found:
        return columns.whole(columns.choose(found, status, arrays))
