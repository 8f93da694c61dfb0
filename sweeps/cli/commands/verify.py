"""The command that checks stored results for damage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sweeps.cli import options
from sweeps.cli.options import Answer, Asked, warn
from sweeps.text import count, path, size

if TYPE_CHECKING:
    from sweeps.operations.verify import Verified


@click.command("verify", short_help="Check stored results for damage.")
@options.name
@options.quiet
@options.options
def command(asked: Asked) -> int:
    """Check the results file and all stored results of NAME for damage, bit by bit.

    Damaged files are listed and set aside (renamed to NAME.bad); the next run computes their points
    again. NAME may also be the path of a results file; outside of the results folder nothing is
    set aside. The code of the experiment is not needed.

    Exit codes: 0 no damage, 1 some damage, 2 a mistake in the command.
    """
    from sweeps.operations import load, verify

    path = load.results_path(asked.name, asked.results)
    is_ours = verify.is_in_place(path, asked.name, asked.results)
    verified = verify.verify(path, sets_aside=is_ours)
    asked.say(answer(verified))
    if verified.damages:
        again = asked.command_line("run", asked.name)
        warn(f"then compute what is missing and write the results file again: {again}")
    return 1 if verified.damages else 0


def answer(of: Verified) -> Answer:
    """Answer `verify`."""
    checked = count(of.n_segments, "file") + " of stored results"
    checked = f"results file and {checked}" if of.is_landed else checked
    verdict = f"{count(len(of.damages), 'problem')}" if of.damages else "no damage"
    lines = [f"{of.experiment}: {checked}: {verdict}"]
    lines[0] += f", {size(of.n_bytes)}" if not of.damages else ""
    lines += [f"{each.kind} {each.state}, {path(each.path)}: {each.reason}" for each in of.damages]
    data = {
        "experiment": of.experiment,
        "results": of.results if of.is_landed else None,
        "segments": of.n_segments,
        "bytes": of.n_bytes,
        "whole": not of.damages,
        "damages": list(map(vars, of.damages)),
    }
    return Answer("\n".join(lines), data)
