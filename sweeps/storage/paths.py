"""Where results are: their folder, and the memo of an experiment in it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path

_results: ContextVar[Path | None] = ContextVar("results", default=None)


def folder(results: Path, experiment: str, fingerprint: str) -> Path:
    """Where the segments of one version of an experiment are."""
    return results / ".memo" / experiment / fingerprint


def default_folder() -> str:
    """Where experiments are when nobody says."""
    return os.environ.get("SWEEPS_EXPERIMENTS") or "experiments"


def results_folder(given: str | os.PathLike[str] | None = None) -> Path:
    """Folder for results: as given, else that of the run under way, SWEEPS_RESULTS, ``results``."""
    chosen = given or _results.get() or os.environ.get("SWEEPS_RESULTS") or "results"
    return Path(os.path.abspath(chosen))  # noqa: PTH100


@contextlib.contextmanager
def results_in(folder: Path | None) -> Iterator[None]:
    """Let `results_folder` say the folder of a run to what its points call."""
    before = _results.set(folder)
    try:
        yield
    finally:
        _results.reset(before)


def is_in_point() -> bool:
    """Whether a point of a run asks, whose results folder that is."""
    return _results.get() is not None
