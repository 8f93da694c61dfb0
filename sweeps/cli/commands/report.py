"""The command that writes a report as one HTML file."""

from __future__ import annotations

import dataclasses

import click

from sweeps.cli import options
from sweeps.cli.options import Answer, Asked, warn
from sweeps.text import path as short
from sweeps.text import size


@click.command("report", short_help="Write a report as one HTML file.")
@options.name
@click.option(
    "-o",
    "--output",
    metavar="FILE.html",
    shell_complete=options.completed("files"),
    help="Write this file instead of results/NAME.html.",
)
@click.option(
    "--interactive", is_flag=True, help="Add a picture whose axes the reader chooses (5 MB)."
)
@options.options
def command(asked: Asked, interactive: bool) -> None:
    """Write a report of NAME: one HTML file that opens without a network.

    It shows the question, pictures, tables, the space, failures, where points were slow, and where
    the results come from. NAME may also be the path of a results file.
    """
    from sweeps.operations import load, report

    path = load.results_path(asked.name, asked.results)
    made = report.report(path, asked.output, interactive=interactive)
    shown = short(made.path)
    asked.say(
        Answer(
            f"{made.experiment}: report → {shown} ({size(made.n_bytes)})",
            dataclasses.asdict(made),
        )
    )
    if said := load.running(path):
        warn(f"{said}; this report shows the results file as it was last written")
