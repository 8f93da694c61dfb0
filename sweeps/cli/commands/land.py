"""The command that writes the results file from stored results."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sweeps.cli import options
from sweeps.cli.options import Answer, Asked, warn
from sweeps.text import count, path

if TYPE_CHECKING:
    from sweeps.operations.land import Landed


@click.command("land", short_help="Write the results file; compute nothing.")
@options.name
@options.axes
@click.option(
    "--all", "everything", is_flag=True, help="Include all known points, whatever their values."
)
@options.output
@options.quiet
@options.options
def command(asked: Asked, everything: bool) -> None:
    """Write results/NAME.h5 from the stored results of NAME; compute nothing.

    --all includes every point that the present code has computed, whatever values you asked for
    then. If they fill most of a grid, the file holds a grid, otherwise a list of points.
    """
    from sweeps.operations import land

    if everything and asked.axes:
        raise click.UsageError("--all includes all known points: give no values of axes with it")
    sweep = asked.sweep()
    _, landed = land.land_sweep(sweep, everything=everything)
    for warning in landed.warnings:
        warn(f"warning: {warning}")
    asked.say(answer(landed))
    if landed.missing:
        verb = "is" if landed.missing == 1 else "are"
        missing = f"{count(landed.missing, 'point')} {verb} missing"
        warn(f"{missing}; to compute: {asked.command_line('run', asked.name, *asked.axes)}")


def answer(landed: Landed) -> Answer:
    """Answer `land`."""
    text = (
        f"{landed.experiment}: {count(landed.points, 'point')}: {landed.done:,} done, "
        f"{landed.failed:,} failed, {landed.missing:,} missing → {path(Path(landed.results))}"
    )
    said = landed._asdict()
    del said["state"], said["warnings"]
    return Answer(text, said)
