"""The command that carries results over to a new name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sweeps.cli import options, output
from sweeps.cli.output import Answer
from sweeps.text import count, path

if TYPE_CHECKING:
    from sweeps.operations.rename import Renamed
    from sweeps.operations.status import Status


_COUNTS = ("points", "done", "missing", "failed", "stale")


@click.command(short_help="Carry results over to an experiment's new name.")
@click.argument("old")
@click.argument("new")
@options.options
def rename(old: str, new: str, experiments: str | None, results: str | None, as_json: bool) -> None:
    """Carry memo and results of OLD over to NEW, the name that the experiment has now.

    Rename the function, or its name= option, first. Nothing is computed, and nothing overwritten.
    A renaming that was interrupted can be repeated.

    Let runs of OLD end before: what one of them commits later stands under the old name again, and
    another `rename OLD NEW` brings it over.
    """
    from sweeps.operations import rename as operations_rename
    from sweeps.operations import status as operations_status

    sweep = operations_rename.find(old, new, results=results, experiments=experiments)
    done = operations_rename.rename(old, sweep)
    for warning in done.warnings:
        output.warn(f"warning: {warning}")
    output.say(answer(done, operations_status.status_of(sweep)), as_json)


def answer(of: Renamed, status: Status) -> Answer:
    """Answer `rename`."""
    place = path(of.results) if of.results.exists() else "(no results file yet)"
    lines = [
        f"{of.old} → {of.new}: {count(status.points, 'point')}: {status.done:,} done, "
        f"{status.missing:,} missing, {status.failed:,} failed, {status.stale:,} stale → {place}"
    ]
    if status.stale:
        which = "all results are" if not status.done + status.failed else "some results are only"
        lines.append(
            f"{which} of other code than {of.new!r} has now: python -m sweeps why {of.new} says "
            f"what differs, python -m sweeps accept {of.new} declares them valid"
        )
    if of.results.exists() and not of.is_landed:
        lines.append(f"{place} is as it was, with the old name inside: the next run lands it anew")
    counts = {name: getattr(status, name) for name in _COUNTS}
    data = {
        "old": of.old,
        "new": of.new,
        **counts,
        "results": of.results,
        "landed": of.is_landed,
        "left": of.left,
    }
    return Answer("\n".join(lines), data)
