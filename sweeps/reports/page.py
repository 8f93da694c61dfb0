"""From a results file to the text of its report."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import NamedTuple

from sweeps.errors import SweepsError
from sweeps.reports import report

_NEEDED = ("jinja2", "matplotlib")


class Page(NamedTuple):
    """A report as HTML, and how many pictures it has."""

    name: str
    html: str
    n_pictures: int


def make(path: Path, *, interactive: bool = False) -> Page:
    """Write the report of a results file as HTML.

    Raises
    ------
    StorageError
        If there is no such file, or it cannot be read.
    SweepsError
        If a package is needed that is not installed.
    """
    _require([*_NEEDED, "plotly"] if interactive else _NEEDED)
    from sweeps.reports import drawing, render
    from sweeps.reports import explorer as explorers

    facts = report.read(path)
    drawn = drawing.draw(path, facts)
    explorer = explorers.explorer(path, facts) if interactive else None
    html = render.render(facts, drawn, explorer)
    return Page(facts.name, html, len(drawn.results))


def _require(names: list[str] | tuple[str, ...]) -> None:
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        raise SweepsError(
            f"a report needs {' and '.join(missing)}, which Python does not find: "
            "pip install 'sweeps[report]'"
        )
