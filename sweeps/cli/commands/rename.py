"""The command that moves results to a new name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sweeps.cli import options
from sweeps.cli.options import Answer, Asked, warn
from sweeps.text import count, path

if TYPE_CHECKING:
    from sweeps.operations.rename import Renamed
    from sweeps.operations.status import Status


_COUNTS = ("points", "done", "missing", "failed", "stale")


@click.command("rename", short_help="Move results to an experiment's new name.")
@click.argument("old", shell_complete=options.completed("names"))
@click.argument("new")
@options.options
def command(asked: Asked, old: str, new: str) -> None:
    """Move the stored results and the results file of OLD to NEW, the experiment's present name.

    First rename the function, or its name= option. Nothing is computed and nothing is overwritten.
    If a rename is interrupted, repeat it.

    Wait for runs under the old name to finish. If one stores results later, `rename OLD NEW` again
    moves them too.
    """
    from sweeps.operations import rename, status

    sweep = rename.find(old, new, results=asked.results, experiments=asked.experiments)
    done = rename.rename(old, sweep)
    for warning in done.warnings:
        warn(f"warning: {warning}")
    asked.say(answer(done, status.status_of(sweep)))


def answer(of: Renamed, status: Status) -> Answer:
    """Answer `rename`."""
    place = path(of.results) if of.results.exists() else "(no results file yet)"
    lines = [
        f"{of.old} → {of.new}: {count(status.points, 'point')}: {status.done:,} done, "
        f"{status.missing:,} missing, {status.failed:,} failed, {status.stale:,} stale → {place}"
    ]
    if status.stale:
        which = "all results" if not status.done + status.failed else "some results"
        lines.append(
            f"{which} come from other code than {of.new!r} has now; see what differs: python -m "
            f"sweeps why {of.new}; declare them valid: python -m sweeps accept {of.new}"
        )
    if of.results.exists() and not of.is_landed:
        lines.append(
            f"{place} was only moved and has the old name inside; the next run writes it again"
        )
    data = {"old": of.old, "new": of.new} | {name: getattr(status, name) for name in _COUNTS}
    data |= {"results": of.results, "landed": of.is_landed, "left": of.left}
    return Answer("\n".join(lines), data)
