"""The command that lists the experiments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from sweeps.cli import options
from sweeps.cli.options import Answer, Asked
from sweeps.text import table

if TYPE_CHECKING:
    from sweeps.operations.status import Listed


@click.command("list", short_help="List the experiments.")
@options.options
def command(asked: Asked) -> None:
    """List the experiments with their number of points and the first line of their docstring."""
    from sweeps.operations import status

    asked.say(answer(status.listed(asked.experiments)))


def answer(rows: Sequence[Listed]) -> Answer:
    """Answer `list`; a name that two modules have is shown with its module."""
    n_named = Counter(row.name for row in rows)
    shown = [
        (
            row.name if n_named[row.name] == 1 else f"{row.module}.{row.name}",
            row.points,
            row.summary if row.error is None else f"error: {row.error}",
        )
        for row in rows
    ]
    none = "no experiments yet; write one: python -m sweeps new NAME"
    return Answer(
        table(["name", "points", "about"], shown) if rows else none, list(map(vars, rows))
    )
