"""The command that deletes what is no longer needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from sweeps.cli import options
from sweeps.cli.options import Answer, Asked, warn
from sweeps.text import path, size

if TYPE_CHECKING:
    from sweeps.operations.clean import Waste


@click.command("clean", short_help="List results that are no longer needed; --yes deletes them.")
@options.name
@click.option("--yes", is_flag=True, help="Delete what is listed.")
@options.options
def command(asked: Asked, yes: bool) -> None:
    """List results of NAME that are no longer needed; --yes deletes them.

    These are results of earlier code, damaged files, and leftovers of killed runs. Results of the
    present code stay, results of accepted code too, and everything that a run is using.
    """
    from sweeps.operations import clean

    sweep = asked.sweep()
    for folder in clean.busy(sweep):
        warn(f"kept, because a run of earlier code is using it: {folder}")
    found = clean.waste(sweep)
    n_bytes = clean.free(found) if yes else sum(each.n_bytes for each in found)
    asked.say(answer(asked.name, found, n_bytes, is_freed=yes))


def answer(name: str, found: Sequence[Waste], n_bytes: int, *, is_freed: bool) -> Answer:
    """Answer `clean`."""
    lines = [f"{size(each.n_bytes):>8}  {each.reason}: {path(each.path)}" for each in found]
    advice = "" if is_freed or not found else "; to delete it, add --yes"
    lines.append(f"{'freed' if is_freed else 'could free'} {size(n_bytes)}{advice}")
    waste = [{"path": w.path, "n_bytes": w.n_bytes, "reason": w.reason} for w in found]
    data = {"experiment": name, "bytes": n_bytes, "freed": is_freed}
    return Answer("\n".join(lines), data | {"waste": waste})
