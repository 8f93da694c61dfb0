"""The command that writes results as files of other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sweeps.cli import options
from sweeps.cli.options import Answer, Asked, warn
from sweeps.text import count, path, size

if TYPE_CHECKING:
    from sweeps.exports.formats import Exported


@click.command("export", short_help="Write the results for other programs.")
@options.name
@click.argument("file", metavar="FILE", shell_complete=options.completed("files"))
@click.option(
    "--status",
    default="done",
    metavar="STATUS",
    shell_complete=options.completed("statuses"),
    help="Points of a table: done, failed, missing, excluded, all [done].",
)
@click.option(
    "--arrays",
    default="",
    metavar="A,B",
    shell_complete=options.completed("variables"),
    help="Outputs that are arrays, to be in a table, too.",
)
@click.option("--overwrite", is_flag=True, help="Replace a file that is there.")
@options.quiet
@options.options
def command(asked: Asked, file: str, status: str, arrays: str, *, overwrite: bool) -> None:
    """Write the results of NAME into FILE, whose name ends in the format.

    .csv, .parquet and .xlsx have a row for each finished point; .nc, .zarr and .mat have arrays
    over the whole space. NAME may also be the path of a results file.
    """
    from sweeps.operations import export, load

    source = load.results_path(asked.name, asked.results)
    names = [name for name in arrays.split(",") if name]
    made = export.export_file(source, file, status, names, overwrites=overwrite)
    asked.say(answer(made))
    for told in made.warnings:
        warn(f"warning: {told}")
    if made.left_out:
        own = ",".join(made.left_out)
        warn(
            f"left out, since a cell holds one value: {own}; --arrays {own} adds them, and .nc, "
            ".zarr and .mat have them anyway"
        )
    if said := load.running(source):
        warn(f"{said}; this file shows the results as they were last written")


def answer(made: Exported) -> Answer:
    """Answer `export`."""
    columns = count(len(made.columns), "variable")
    where = path(Path(made.path).absolute())
    text = (
        f"{made.experiment}: {count(made.points, 'point')}, {columns} → {where} "
        f"({size(made.n_bytes)})"
    )
    return Answer(text, vars(made))
