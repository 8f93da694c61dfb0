"""The command that checks stored results for damage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sweeps.cli import options, output
from sweeps.cli.output import Answer
from sweeps.text import count, path, size

if TYPE_CHECKING:
    from sweeps.operations.verify import Verified


@click.command(short_help="Say whether results and memo are whole.")
@options.name
@options.options
def verify(name: str, experiments: str | None, results: str | None, as_json: bool) -> int:
    """Check the digests of NAME's results file and of all that its memo holds.

    What is damaged is named and set aside; a run makes up for it. NAME may also be the path of a
    results file; outside of the folder of results nothing is set aside. The code of the experiment
    is not needed.

    Exit codes: 0 all is whole, 1 something is not, 2 a mistake in what was asked.
    """
    from sweeps.operations import load
    from sweeps.operations import verify as operations_verify

    path = load.results_path(name, results)
    is_ours = operations_verify.is_in_place(path, name, results)
    verified = operations_verify.verify(path, sets_aside=is_ours)
    output.say(answer(verified), as_json)
    if verified.damages:
        again = options.command_line("run", name, experiments=experiments, results=results)
        output.warn(f"then land and compute again what is missing: {again}")
    return 1 if verified.damages else 0


def answer(of: Verified) -> Answer:
    """Answer `verify`."""
    landed = "results file and " if of.is_landed else ""
    is_whole = f"{len(of.damages):,} not whole" if of.damages else "all whole"
    lines = [f"{of.experiment}: {landed}{count(of.n_segments, 'segment')}: {is_whole}"]
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
