"""The command that shows what changed since results were computed."""

from __future__ import annotations

import dataclasses

import click

from sweeps.cli import options
from sweeps.cli.output import Answer, say


@click.command("why", short_help="Show what changed since results were computed.")
@options.name
@options.axes
@options.from_
@options.options
def command(
    name: str,
    axes: tuple[str, ...],
    earlier: str | None,
    experiments: str | None,
    results: str | None,
    as_json: bool,
) -> None:
    """Show why points of NAME are stale or missing: what changed since they were computed.

    You see the functions, classes and constants that changed, with their source then and now, data
    files, constants, and package versions (other versions do not make results stale).
    """
    from sweeps.operations import why

    found = why.explain(options.sweep(name, experiments, results, axes), earlier)
    say(Answer(str(found), dataclasses.asdict(found)), as_json)
