"""The commands that show which experiments there are, and how far: `list`, `status`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sweeps.cli import options, output
from sweeps.cli.output import Answer
from sweeps.text import path, table

if TYPE_CHECKING:
    from sweeps.operations.status import Listed, Status


@click.command("list", short_help="List the experiments.")
@options.options
def list_(experiments: str | None, results: str | None, as_json: bool) -> None:
    """List the experiments, their points and what they are about."""
    from sweeps.operations import status as operations_status

    output.say(listed(operations_status.listed(experiments)), as_json)


@click.command(short_help="Say how far experiments are.")
@click.argument("name", required=False)
@options.options
def status(name: str | None, experiments: str | None, results: str | None, as_json: bool) -> None:
    """Say how far NAME is, or all experiments are."""
    from sweeps.operations import status as operations_status

    if name is not None:
        row = operations_status.status_of(options.sweep(name, experiments, results))
        output.say(answer(row), as_json)
        options.advise_on_stale(row.stale, name, experiments, results)
        return
    rows, problems = operations_status.statuses(experiments, results)
    output.say(answer_all(rows), as_json)
    for problem in problems:
        output.warn(f"warning: {problem}")


def listed(rows: Sequence[Listed]) -> Answer:
    """Answer `list`: a name that stands in two modules is shown with its module."""
    n_named = Counter(row.name for row in rows)
    shown = [
        (
            row.name if n_named[row.name] == 1 else f"{row.module}.{row.name}",
            row.points,
            row.summary if row.error is None else f"error: {row.error}",
        )
        for row in rows
    ]
    none = "no experiments yet; make one by: python -m sweeps new NAME"
    return Answer(
        table(["name", "points", "about"], shown) if rows else none, list(map(vars, rows))
    )


def answer(row: Status) -> Answer:
    """Answer `status NAME`."""
    text, (data,) = answer_all([row])
    return Answer(text, data)


def answer_all(rows: Sequence[Status]) -> Answer:
    """Answer `status`."""
    columns = ["experiment", "points", "done", "missing", "failed", "stale", "known", "landed"]
    header = [*columns, "results"]
    shown = [(*(getattr(r, each) for each in columns), _place(Path(r.results))) for r in rows]
    going_on = [f"{r.experiment}: {each}" for r in rows for each in r.running]
    data = [{**vars(r), "running": [each.data() for each in r.running]} for r in rows]
    return Answer("\n".join([table(header, shown), *going_on]), data)


def _place(results: Path) -> str:
    return path(results) if results.exists() else "(none yet)"
