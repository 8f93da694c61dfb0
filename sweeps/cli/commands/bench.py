"""The command that compares workers with sequential code."""

from __future__ import annotations

import contextlib

import click

from sweeps.cli import options
from sweeps.cli.options import INTERRUPTED, Answer, Asked, warn


def _numbers(
    context: click.Context, option: click.Parameter, given: str | None
) -> list[int] | None:
    """Read numbers of workers."""
    if given is None:
        return None
    with contextlib.suppress(ValueError):
        numbers = [int(word) for word in given.split(",")]
        if min(numbers) >= 1:
            return numbers
    raise click.BadParameter(f"{given!r} is not a list of positive integers, such as 1,2,4")


@click.command("bench", short_help="Compare workers with sequential code.")
@options.name
@options.axes
@options.only
@click.option(
    "--points",
    type=click.IntRange(min=1),
    metavar="N",
    help="Number of points to time [as many as take a few seconds].",
)
@click.option(
    "--workers",
    callback=_numbers,
    metavar="N,N,...",
    help="Numbers of workers [powers of two, and all cores].",
)
@click.option(
    "--rounds",
    type=click.IntRange(min=1),
    metavar="N",
    help="How often to time each; the median counts [3].",
)
@click.option("--last", is_flag=True, help="Show the last benchmark of this code again.")
@options.options
def command(
    asked: Asked, points: int | None, workers: list[int] | None, rounds: int | None, last: bool
) -> int:
    """Time some points of NAME sequentially, then with 1, 2, … workers, and compare.

    Stored results and the results file do not change: the points are computed again, and only the
    times are kept. They are spread evenly over the space, and the same each time. Points that fail
    are counted and left out.

    Speed-up is relative to a plain loop over the function. Overhead is the share of the workers'
    time that is not spent in the function. The time to start the workers is reported separately.

    Exit codes: 0 measured, 2 a mistake in the command or the experiment, 130 interrupted.
    """
    from sweeps.operations import bench
    from sweeps.signals import Interrupted

    if last and (asked.axes or asked.only or points or workers or rounds):
        raise click.UsageError("--last shows the stored benchmark: with it, give only NAME")
    sweep = asked.sweep()
    if last:
        found = bench.last(sweep)
    else:
        try:
            found = bench.measure(
                sweep,
                points,
                workers,
                rounds or bench.N_ROUNDS,
                axes=dict(word.split("=", 1) for word in asked.axes),
                only=asked.only,
                tell=lambda text: warn(f"bench {asked.name}: {text}"),
            )
        except (Interrupted, KeyboardInterrupt):
            warn("interrupted: an unfinished benchmark is not kept")
            return INTERRUPTED
    asked.say(Answer(str(found), found.data))
    return 0
