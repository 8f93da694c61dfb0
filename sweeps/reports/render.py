"""From a `Report` and pictures to one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Sequence
from importlib import resources
from typing import NamedTuple

import jinja2
from markupsafe import Markup

from sweeps import __version__
from sweeps.reports import words
from sweeps.reports.drawing import Drawings
from sweeps.reports.explorer import Explorer
from sweeps.reports.highlight import highlight
from sweeps.reports.report import Report
from sweeps.text import brief, count, printable

_STATES = ("done", "failed", "missing", "excluded")


class _Bar(NamedTuple):
    state: str
    n: int
    x: float
    width: float


def render(report: Report, drawings: Drawings, explorer: Explorer | None = None) -> str:
    r"""Write a report as HTML.

    All text of the report is escaped, and characters that cannot be seen are written as
    ``\u202e``. Without an explorer no script can run: the page has none, and its policy allows
    none; its only style is known by its digest.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("sweeps", "reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda said: (
            printable(said) if isinstance(said, str) and not isinstance(said, Markup) else said
        ),
    )
    environment.filters |= {
        "shown": words.shown,
        "share": words.share,
        "brief": lambda seconds: words.NOTHING if math.isnan(seconds) else brief(seconds),
        "count": count,
        "highlight": highlight,
        "length_of": _length,
    }
    scripts = explorer.scripts if explorer else ()
    style = (resources.files("sweeps.reports") / "page.css").read_text("utf-8")
    return environment.get_template("page.html.jinja").render(
        report=report,
        drawings=drawings,
        style=Markup(style),
        policy=_policy(style, scripts),
        explorer=explorer,
        data=Markup(explorer.data if explorer else ""),
        scripts=[Markup(script) for script in scripts],
        sections=_sections(report, drawings, explorer),
        extent=_extent(report),
        status=_status(report),
        bars=_bars(report),
        version=__version__,
    )


def _policy(style: str, scripts: Sequence[str]) -> str:
    """Allow what the page has, by its digest; plotly makes styles of its own."""
    styles = "'unsafe-inline'" if scripts else _digest(style)
    allowed = " ".join(map(_digest, scripts)) or "'none'"
    return (
        f"default-src 'none'; script-src {allowed}; style-src {styles}; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _sections(
    report: Report, drawings: Drawings, explorer: Explorer | None
) -> list[tuple[str, str]]:
    return [
        (name, title)
        for name, title, is_there in (
            ("question", "Question", len(report.origin.question) > 1),
            ("pictures", "Pictures", bool(drawings.results)),
            ("explore", "Choose axes", explorer is not None),
            ("results", "Results", True),
            ("space", "Space", True),
            ("status", "Status", True),
            ("timing", "Time", report.timing is not None),
            ("origin", "Origin", True),
            ("code", "Code", bool(report.origin.code)),
        )
        if is_there
    ]


def _extent(report: Report) -> str:
    """Say how large the space is."""
    n_all = sum(report.counts.values())
    sizes = " × ".join(f"{size:,} {dim}" for dim, size in report.sizes.items())
    said = f"{sizes} = {count(n_all, 'point')}" if len(report.sizes) > 1 else count(n_all, "point")
    excluded = report.counts["excluded"]
    return f"{said}; {excluded:,} of them excluded." if excluded else f"{said}."


def _status(report: Report) -> str:
    told = [f"{report.counts[state]:,} {state}" for state in _STATES if report.counts[state]]
    return "Points: " + words.listed(told or ["none"])


def _bars(report: Report) -> list[_Bar]:
    """Lay out states along a bar of 1000; what is there can be seen."""
    there = [state for state in _STATES if report.counts[state]]
    widths = [max(report.counts[s], sum(report.counts.values()) / 250) for s in there]
    made, x = [], 0.0
    for state, width in zip(there, widths, strict=True):
        share = 1000 * width / sum(widths)
        made.append(_Bar(state, report.counts[state], round(x, 1), round(share, 1)))
        x += share
    return made


def _length(part: float, whole: float) -> float:
    """Return the length of a bar, from 0 to 100."""
    return round(100 * part / whole, 1) if whole > 0 and not math.isnan(part) else 0.0
