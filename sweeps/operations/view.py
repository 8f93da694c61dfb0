"""A page on this machine that shows experiments, their runs and their results."""

from __future__ import annotations

import functools
import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from sweeps.errors import StorageError, SweepsError
from sweeps.operations import load
from sweeps.project import sweep
from sweeps.project.discovery import Found, find, find_all
from sweeps.storage import files

if TYPE_CHECKING:
    from sweeps.viewer.serve import Server
    from sweeps.viewer.watched import Subject

_NEEDED = ("starlette", "uvicorn", "plotly")


def prepare(
    name: str = "",
    *,
    port: int | None = None,
    results: str | os.PathLike[str] | None = None,
    experiments: str | os.PathLike[str] | None = None,
) -> Server:
    """Begin to listen for who wants to see the page; `Server.serve` answers.

    Parameters
    ----------
    name : str
        Experiment to show, or the path of a results file; all experiments if it is empty.
    port : int, optional
        By default a free one.
    results, experiments
        As for `sweeps.run`.

    Raises
    ------
    SweepsError
        If the extra ``view`` is not installed, or the port is taken.
    """
    missing = [each for each in _NEEDED if find_spec(each) is None]
    if missing:
        raise SweepsError(
            f"`view` needs {', '.join(missing)}, which is not installed: pip install 'sweeps[view]'"
        )
    from sweeps.viewer import serve

    if not name:
        subjects, problems = _all(results, experiments)
        return serve.prepare(subjects, problems, port)
    subject = _one(name, results, experiments)
    return serve.prepare([subject], (), port, first=subject.name)


def _one(
    name: str,
    results: str | os.PathLike[str] | None,
    experiments: str | os.PathLike[str] | None,
) -> Subject:
    """Find an experiment, or else a results file of that name."""
    from sweeps.viewer.landed import Landed
    from sweeps.viewer.watched import Subject

    path = load.results_path(name, results)
    is_file = name.endswith(".h5") or os.sep in name
    if not is_file:
        try:
            return _subject(find(name, experiments), results, experiments, name)
        except SweepsError:
            if not path.is_file():
                raise
    if not path.is_file():
        raise StorageError(f"no results file {path}: give the path of one, or an experiment's name")
    Landed(path).close()  # which says what is wrong with it
    return Subject(path.stem, path)


def _all(
    results: str | os.PathLike[str] | None, experiments: str | os.PathLike[str] | None
) -> tuple[list[Subject], list[str]]:
    """List all experiments, and results files of others; and what cannot be imported."""
    from sweeps.viewer.watched import Subject

    try:
        found, broken = find_all(experiments)
        problems = [f"{each.location.name} cannot be imported: {each.error}" for each in broken]
    except SweepsError as error:
        found, problems = [], [str(error)]
    names = [each.experiment.name for each in found]
    subjects = [
        _subject(each, results, experiments, own if names.count(own) == 1 else each.full_name)
        for each, own in zip(found, names, strict=True)
    ]
    others = sorted(files.results_folder(results).glob("*.h5"))
    subjects += [Subject(p.stem, p) for p in others if p.stem not in names]
    if not subjects:
        raise SweepsError("; ".join(problems) or "there is no experiment and no results file here")
    return subjects, problems


def _subject(
    found: Found,
    results: str | os.PathLike[str] | None,
    experiments: str | os.PathLike[str] | None,
    name: str,
) -> Subject:
    from sweeps.viewer.watched import Subject

    made = found.experiment
    path: Path = files.results_folder(results) / f"{made.name}.h5"
    again = functools.partial(
        sweep.resolve, found.full_name, results=results, experiments=experiments
    )
    return Subject(name, path, made.about, again)
