"""The command that shows what changed since results were computed."""

from __future__ import annotations

import dataclasses

import click

from sweeps.cli import options, output
from sweeps.cli.options import from_


@click.command(short_help="Say what changed since results were computed.")
@options.name
@options.axes
@from_
@options.options
def why(
    name: str,
    axes: tuple[str, ...],
    earlier: str | None,
    experiments: str | None,
    results: str | None,
    as_json: bool,
) -> None:
    """Say why points of NAME are stale or missing: what changed since they were computed.

    Shown are the functions, classes and constants that changed, with their source then and now,
    data files, constants, and the versions of packages, which make nothing stale.
    """
    from sweeps.operations import why as operations_why

    found = operations_why.explain(options.sweep(name, experiments, results, axes), earlier)
    output.say(output.Answer(str(found), dataclasses.asdict(found)), as_json)
