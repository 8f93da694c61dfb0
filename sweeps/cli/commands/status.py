"""The command that shows how many points are done."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from sweeps.cli import options
from sweeps.cli.options import Answer, Asked, warn
from sweeps.text import path, table

if TYPE_CHECKING:
    from sweeps.operations.status import Status


@click.command("status", short_help="Show how many points are done.")
@click.argument("name", default="")
@options.options
def command(asked: Asked) -> None:
    """Show how many points of NAME, or of each experiment, are done, missing, failed or stale.

    Also: points known in any space, points in the results file, and runs under way.
    """
    from sweeps.operations import status

    source = click.get_current_context().get_parameter_source("name")
    if source is not ParameterSource.DEFAULT:  # an empty name is one that is not valid
        row = status.status_of(asked.sweep())
        asked.say(answer(row))
        asked.advise_on_stale(row.stale)
        return
    rows, problems = status.statuses(asked.experiments, asked.results)
    asked.say(answer_of_all(rows))
    for problem in problems:
        warn(f"warning: {problem}")


def answer(row: Status) -> Answer:
    """Answer `status NAME`."""
    text, (data,) = answer_of_all([row])
    return Answer(text, data)


def answer_of_all(rows: Sequence[Status]) -> Answer:
    """Answer `status`."""
    columns = ["experiment", "points", "done", "missing", "failed", "stale", "known", "landed"]
    header = [*columns, "results"]
    shown = [(*(getattr(r, each) for each in columns), _place(Path(r.results))) for r in rows]
    runs = [f"{r.experiment}: {each}" for r in rows for each in (*r.running, *r.silent)]
    return Answer("\n".join([table(header, shown), *runs]), list(map(_data, rows)))


def _data(row: Status) -> dict[str, Any]:
    runs = {name: [each.data() for each in getattr(row, name)] for name in ("running", "silent")}
    return {**vars(row), **runs}


def _place(results: Path) -> str:
    return path(results) if results.exists() else "(none yet)"
