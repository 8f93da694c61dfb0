"""The command that shows what points printed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from sweeps.cli import options
from sweeps.cli.options import Answer, Asked
from sweeps.text import parameters

if TYPE_CHECKING:
    from sweeps.operations.failures import PrintedPoint


@click.command("printed", short_help="Show what points printed, and their warnings.")
@options.name
@options.axes
@options.only
@options.options
def command(asked: Asked) -> None:
    """Show what points of NAME printed while they were computed, and their warnings.

    Each line begins with the parameters of its point.
    """
    from sweeps.operations import failures

    found = failures.printed_points(asked.sweep())
    asked.say(answer(found))


def answer(found: Sequence[PrintedPoint]) -> Answer:
    """Answer `printed`: each line begins with its point."""
    from sweeps.execution import printed

    lines = []
    for each in found:
        prefix = parameters(each.params)
        own = "\n".join(": ".join(text.rpartition("\n")[::-2]) for text in each.warnings)
        lines += [f"{prefix}: {x}" for text in (each.printed, own) for x in printed.lines(text)]
    return Answer("\n".join(lines) or "no point printed anything", list(map(vars, found)))
