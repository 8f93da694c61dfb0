"""The command that lists and extracts the files of a point."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sweeps.cli import options
from sweeps.cli.options import Answer, Asked, warn
from sweeps.text import count, parameters, printable, size, table

if TYPE_CHECKING:
    from sweeps.operations.files import PointFiles


@click.command("files", short_help="List or extract the files that a point handed over.")
@options.name
@click.argument(
    "axes", nargs=-1, metavar="[AXIS=VALUE]...", shell_complete=options.completed("axes")
)
@click.option("--point", type=int, metavar="N", help="Number of the point, as `failures` shows it.")
@click.option(
    *("--extract", "folder"),
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write the files to DIR/OUTPUT/NAME.",
)
@options.options
def command(asked: Asked, point: int | None, folder: Path | None) -> None:
    """List the files that a point of NAME handed over as sweeps.File; --extract writes them.

    To choose the point, give AXIS=VALUE for each parameter that varies: length=0.3 method=rk4; or
    give --point N, which counts the points of a run with the same AXIS=VALUES, as `failures` does.
    """
    from sweeps.declaration import overrides
    from sweeps.operations import files

    given = overrides.parse_all(asked.axes)
    places = (asked.results, asked.experiments)
    if point is None:
        found = files.find(asked.name, {}, given, *places)
    else:
        found = files.find(asked.name, point, given, *places)
    if found.is_earlier:
        warn("warning: only earlier code has computed this point")
    written = files.extract(found, folder) if folder is not None else ()
    asked.say(answer(found, written))


def answer(of: PointFiles, written: Sequence[Path] = ()) -> Answer:
    """Answer `files`."""
    lines = [f"{of.experiment}, point {of.position}: {parameters(of.parameters)}"]
    if of.files:
        rows = [
            (
                each.output,
                printable(each.name),
                size(each.size),
                each.digest[:12],
                "" if each.is_stored else "lost",
            )
            for each in of.files.values()
        ]
        lines += ["", table(["output", "file", "size", "SHA-256", ""], rows), ""]
    else:
        lines.append("it handed over no files")
    if written:
        n_bytes = sum(each.size for each in of.files.values())
        lines.append(f"extracted {count(len(written), 'file')}, {size(n_bytes)}")
    data = {
        "experiment": of.experiment,
        "position": of.position,
        "params": of.parameters,
        "files": [
            {
                "output": each.output,
                "name": each.name,
                "bytes": each.size,
                "sha256": each.digest,
                "stored": each.is_stored,
            }
            for each in of.files.values()
        ],
        "extracted": written,
    }
    return Answer("\n".join(lines).rstrip(), data)
