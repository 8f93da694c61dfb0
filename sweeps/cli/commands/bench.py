"""The command that compares sequential with parallel code."""

from __future__ import annotations

import contextlib

import click

from sweeps.cli import options, output


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
    raise click.BadParameter(f"{given!r} is no list of numbers from 1 on, such as 1,2,4")


@click.command(short_help="Compare sequential with parallel code.")
@options.name
@options.axes
@options.only
@click.option(
    "--points",
    type=click.IntRange(min=1),
    metavar="N",
    help="Points of the sample [some seconds of them].",
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
    help="Times that each is measured; medians count [3].",
)
@click.option("--last", is_flag=True, help="Show the last one of this code again.")
@options.options
def bench(
    name: str,
    axes: tuple[str, ...],
    only: str | None,
    points: int | None,
    workers: list[int] | None,
    rounds: int | None,
    last: bool,
    experiments: str | None,
    results: str | None,
    as_json: bool,
) -> int:
    """Compute a sample of NAME's points sequentially, then with 1, 2, … workers, and compare.

    Memo and results stay as they are: points that are known are computed again, and nothing of it
    is kept but the times. The sample is spread evenly over the space and always the same. Points of
    it that fail are counted and left out.

    Speed-up is against the bare function in a plain loop. Overhead is the share of the workers'
    time that is not spent in calls of it. The start of the pool is told apart.

    Exit codes: 0 it was measured, 2 a mistake in what was asked, 130 interrupted.
    """
    from sweeps.operations import bench as operations_bench
    from sweeps.signals import Interrupted

    if last and (axes or only or points or workers or rounds):
        raise click.UsageError("--last shows what was measured before: give only NAME beside it")
    sweep = options.sweep(name, experiments, results, axes, only)
    if last:
        found = operations_bench.last(sweep)
    else:
        try:
            found = operations_bench.measure(
                sweep,
                points,
                workers,
                rounds or operations_bench.N_ROUNDS,
                axes=dict(word.split("=", 1) for word in axes),
                only=only,
                tell=lambda text: output.warn(f"bench {name}: {text}"),
            )
        except (Interrupted, KeyboardInterrupt):
            output.warn("interrupted: nothing is kept of a benchmark that is not finished")
            return output.INTERRUPTED
    output.say(output.Answer(str(found), found.data), as_json)
    return 0
