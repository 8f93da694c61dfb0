"""The command that compares results of two versions of the code."""

from __future__ import annotations

import dataclasses

import click

from sweeps.cli import options, output
from sweeps.cli.options import from_, new_default


@click.command(short_help="Compare results of two versions of the code.")
@options.name
@options.axes
@from_
@click.option(
    "--with", "beside", metavar="FINGERPRINT", help="Other earlier code [the present code]."
)
@new_default
@click.option(
    "--sample",
    "n_sample",
    default=100,
    type=click.IntRange(min=1),
    metavar="N",
    help="Compare at most N points [100].",
)
@click.option("-j", "--workers", type=click.IntRange(min=1), metavar="N", help="As of run.")
@click.option("--engine", default="loky", metavar="NAME", help="As of run [loky].")
@options.options
def diff(
    name: str,
    axes: tuple[str, ...],
    earlier: str | None,
    beside: str | None,
    new_default: tuple[str, ...],
    n_sample: int,
    workers: int | None,
    engine: str,
    experiments: str | None,
    results: str | None,
    as_json: bool,
) -> int:
    """Compare what earlier code of NAME computed with what the present code computes.

    Points that both know are compared, and else up to N points are computed anew, and kept. For
    each output the largest differences are told, and whether all values are equal.

    Exit codes: 0 all values are equal, 1 some differ, 2 a mistake in what was asked.
    """
    from sweeps.declaration import overrides
    from sweeps.execution import progress
    from sweeps.execution.options import Options
    from sweeps.operations import diff as operations_diff

    sweep = options.sweep(name, experiments, results, axes)
    watcher = progress.Watcher(sweep.experiment.name)
    try:
        found = operations_diff.compare(
            sweep,
            earlier,
            beside=beside,
            n_sample=n_sample,
            new_defaults=overrides.parse_all(new_default),
            options=Options(engine, workers),
            watch=watcher,
        )
    finally:
        watcher.close()
    output.say(output.Answer(str(found), dataclasses.asdict(found)), as_json)
    return 0 if found.is_exact else 1
