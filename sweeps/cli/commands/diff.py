"""The command that compares results of two versions of the code."""

from __future__ import annotations

import dataclasses

import click

from sweeps.cli import options
from sweeps.cli.options import Answer, Asked


@click.command("diff", short_help="Compare results of two versions of the code.")
@options.name
@options.axes
@options.from_
@click.option(
    "--with",
    "beside",
    metavar="FINGERPRINT",
    help="Compare with this earlier code [the present code].",
)
@options.new_default
@click.option(
    "--sample",
    "n_sample",
    default=100,
    type=click.IntRange(min=1),
    metavar="N",
    help="Compare at most N points [100].",
)
@options.workers
@options.engine
@options.quiet
@options.options
def command(
    asked: Asked,
    earlier: str | None,
    beside: str | None,
    new_default: tuple[str, ...],
    n_sample: int,
    workers: int | None,
    engine: str,
) -> int:
    """Compare results of earlier code of NAME with results of the present code.

    Points with results of both are compared first. If they are fewer than N, the present code
    computes more points that the earlier code has computed; these results are stored. For each
    output you see the largest differences, and whether all values are equal.

    Exit codes: 0 all values are equal, 1 some differ, 2 a mistake in the command or the experiment.
    """
    from sweeps.declaration import overrides
    from sweeps.execution.options import Options
    from sweeps.operations import diff
    from sweeps.progress.show import Watcher

    sweep = asked.sweep()
    watcher = Watcher(sweep.experiment.name)
    try:
        found = diff.compare(
            sweep,
            earlier,
            beside=beside,
            n_sample=n_sample,
            new_defaults=overrides.parse_all(new_default),
            options=Options(engine, workers, quiet=asked.is_quiet),
            watch=None if asked.is_quiet else watcher,
        )
    finally:
        watcher.close()
    asked.say(Answer(str(found), dataclasses.asdict(found)))
    return 0 if found.is_exact else 1
