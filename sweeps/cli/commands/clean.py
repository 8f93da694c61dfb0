"""The command that removes what is no longer needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from sweeps.cli import options, output
from sweeps.cli.output import Answer
from sweeps.text import path, size

if TYPE_CHECKING:
    from sweeps.operations.clean import Waste


@click.command(short_help="Say what nobody needs any more; free it.")
@options.name
@click.option("--yes", is_flag=True, help="Free it.")
@options.options
def clean(
    name: str, yes: bool, experiments: str | None, results: str | None, as_json: bool
) -> None:
    """Say what of NAME's memo nobody needs any more; free it with --yes.

    That are results of earlier code, damaged segments and what killed runs left behind. The
    results of the present code stay, and those of earlier code that a run is computing.
    """
    from sweeps.operations import clean as operations_clean

    sweep = options.sweep(name, experiments, results)
    for folder in operations_clean.busy(sweep):
        output.warn(f"left alone, since a run of earlier code is at it: {folder}")
    found = operations_clean.waste(sweep)
    n_bytes = operations_clean.free(found) if yes else sum(each.n_bytes for each in found)
    output.say(cleaned(name, found, n_bytes, is_freed=yes), as_json)


def cleaned(name: str, found: Sequence[Waste], n_bytes: int, *, is_freed: bool) -> Answer:
    """Answer `clean`."""
    lines = [f"{size(each.n_bytes):>8}  {each.reason}: {path(each.path)}" for each in found]
    advice = "" if is_freed or not found else "; free it by: --yes"
    lines.append(f"{'freed' if is_freed else 'could free'} {size(n_bytes)}{advice}")
    data = {
        "experiment": name,
        "bytes": n_bytes,
        "freed": is_freed,
        "waste": list(map(vars, found)),
    }
    return Answer("\n".join(lines), data)
