"""The command that shows what changed since results were computed."""

from __future__ import annotations

import dataclasses

import click

from sweeps.cli import options
from sweeps.cli.options import Answer, Asked


@click.command("why", short_help="Show what changed since results were computed.")
@options.name
@options.axes
@options.from_
@options.options
def command(asked: Asked, earlier: str | None) -> None:
    """Show why points of NAME are stale or missing: what changed since they were computed.

    You see the functions, classes and constants that changed, with their source then and now, data
    files, constants, and package versions (other versions do not make results stale).
    """
    from sweeps.operations import why

    found = why.explain(asked.sweep(), earlier)
    asked.say(Answer(str(found), dataclasses.asdict(found)))
