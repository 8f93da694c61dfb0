"""The command that computes missing points beside other runs."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import click

from sweeps.cli import options
from sweeps.cli.commands.run import carry_out
from sweeps.cli.options import Asked

if TYPE_CHECKING:
    from sweeps.execution.options import Options


@click.command("work", short_help="Compute missing points beside other runs; land nothing.")
@options.name
@options.axes
@options.only
@options.computing
@options.quiet
@options.options
def command(asked: Asked, how: Options) -> int:
    """Compute the missing points of NAME that no other run is computing, and end when none is free.

    Start it as often as you like, on any machine that sees the same folders: as tasks of a job
    array, or beside a run that takes long. It begins at a place of its own, waits for nobody and
    does not write the results file: `land NAME` or `run NAME` does that, when all is computed.

    AXIS=VALUES, signals and exit codes are as for `run`. On Ctrl-C or SIGTERM it finishes the
    points under way, which others need not compute again.
    """
    from sweeps.operations import work

    how = dataclasses.replace(how, quiet=asked.is_quiet)
    sweep = asked.sweep()
    return carry_out(
        asked,
        sweep.experiment.name,
        lambda watch: work.execute(sweep, how, watch, is_only_one=True),
    )
