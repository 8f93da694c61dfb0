"""Write a report of a results file: one HTML page that needs nothing else."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from sweeps.declaration.experiment import Experiment
from sweeps.errors import StorageError, SweepsError
from sweeps.operations.load import refuse_unlanded, results_path
from sweeps.storage import files

_SUFFIXES = (".html", ".htm")


@dataclasses.dataclass(frozen=True)
class Reported:
    """A report that was written.

    Attributes
    ----------
    path : Path
        Of the HTML file.
    n_pictures : int
        Pictures of the results in it.
    """

    experiment: str
    path: Path
    n_bytes: int
    n_pictures: int


def report(
    experiment: str | os.PathLike[str] | Experiment,
    output: str | os.PathLike[str] | None = None,
    *,
    interactive: bool = False,
    results: str | os.PathLike[str] | None = None,
) -> Reported:
    """Write a report of an experiment's results: one HTML file that opens without a network.

    It shows the question, pictures, tables of the outputs, the space, the status of the points,
    where points were slow or failed, and where the results come from. It reads the results file
    alone; the experiment is not imported.

    Parameters
    ----------
    experiment : str, path or Experiment
        A name, which stands for a file in the results folder, or the path of a results file.
    output : path, optional
        HTML file to write; by default it stands beside the results file, as ``NAME.html``.
    interactive : bool
        Whether to add a picture whose axes the reader chooses. This embeds plotly, of 5 MB.
    results : path, optional
        Results folder; by default SWEEPS_RESULTS, else ``results``.

    Returns
    -------
    Reported
        The path of the file and its size.

    Raises
    ------
    StorageError
        If there is no results file, or it cannot be read, or the report cannot be written.
    SweepsError
        If Jinja, matplotlib or plotly is needed and not installed: the extra ``report``.

    Examples
    --------
    >>> import sweeps
    >>> @sweeps.experiment(sweeps.grid(x=[1.0, 2.0, 3.0]))
    ... def square(x):
    ...     return x * x
    >>> _ = sweeps.run(square, engine="serial")
    >>> made = sweeps.report(square)
    >>> made.path.name, made.n_pictures, made.n_bytes < 10**6
    ('square.html', 1, True)
    """
    path = results_path(experiment, results)
    refuse_unlanded(path)
    target = path.with_suffix(".html") if output is None else Path(os.path.abspath(output))  # noqa: PTH100
    if target.suffix.lower() not in _SUFFIXES:
        raise SweepsError(
            f"cannot write a report as {target.name!r}: it is an HTML file, so give a name that "
            "ends in .html; for a PDF, print it from a browser"
        )
    # matplotlib takes longer to import than all other commands need
    from sweeps.reports import page

    made = page.make(path, interactive=interactive)
    text = made.html.encode("utf-8", "backslashreplace")
    try:
        files.make_folder(target.parent)
        files.commit(target, [text])
    except StorageError as error:
        reason = str(error).partition(";")[0]
        raise StorageError(f"{reason}; write the report elsewhere, with -o FILE.html") from error
    return Reported(made.name, target, len(text), made.n_pictures)
