"""The command that shows what points printed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from sweeps.cli import options, output
from sweeps.cli.output import Answer
from sweeps.text import parameters

if TYPE_CHECKING:
    from sweeps.operations.failures import PrintedPoint


@click.command(short_help="Show what points printed and warned of.")
@options.name
@options.axes
@options.only
@options.options
def printed(
    name: str,
    axes: tuple[str, ...],
    only: str | None,
    experiments: str | None,
    results: str | None,
    as_json: bool,
) -> None:
    """Show what the points of NAME printed and warned of when they were computed.

    Each line has the parameters of its point in front.
    """
    from sweeps.operations import failures

    found = failures.printed(options.sweep(name, experiments, results, axes, only))
    output.say(answer(found), as_json)


def answer(found: Sequence[PrintedPoint]) -> Answer:
    """Answer `printed`: each line with its point in front."""
    from sweeps.execution.printed import lines as lines_of

    lines = []
    for each in found:
        prefix = parameters(each.params)
        own = "\n".join(": ".join(text.rpartition("\n")[::-2]) for text in each.warnings)
        lines += [f"{prefix}: {line}" for text in (each.printed, own) for line in lines_of(text)]
    return Answer("\n".join(lines) or "no point has printed anything", list(map(vars, found)))
