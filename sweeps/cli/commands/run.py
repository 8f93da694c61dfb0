"""The command that computes missing points and writes the results file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sweeps.cli import options
from sweeps.cli.options import INTERRUPTED, Answer, Asked, warn
from sweeps.text import count, duration, path

if TYPE_CHECKING:
    from sweeps.execution.options import Report


@click.command("run", short_help="Compute missing points and write the results file.")
@options.name
@options.axes
@options.only
@options.workers
@options.engine
@click.option("--limit", type=click.IntRange(min=0), metavar="N", help="Compute at most N points.")
@click.option("--memory-limit", metavar="SIZE", help="Memory of each worker: 512M, 2G.")
@click.option("--recompute", is_flag=True, help="Recompute points that already have results.")
@click.option("--no-retry", is_flag=True, help="Leave failed points as they are.")
@options.output
@options.options
def command(
    asked: Asked,
    workers: int | None,
    engine: str,
    limit: int | None,
    memory_limit: str | None,
    recompute: bool,
    no_retry: bool,
) -> int:
    """Compute the missing points of NAME and write all results to results/NAME.h5.

    AXIS=VALUES gives other values than declared: length=0.1,0.5, 'length=linspace(0.1,2,20)' or
    'replicate=range(0,20)'. To sample, give ranges or choices and a method: length=0.1:2
    'method=choice(rk4,euler)' 'sample=sobol(1024)'. Other methods are halton, latin_hypercube,
    uniform and saltelli; each takes a seed: 'sample=halton(500, seed=3)'.

    If you press Ctrl-C, the run finishes the points under way and writes the results file. If you
    press it again, the run stops at once. No finished point is lost. SIGTERM and SIGHUP do the
    same, and stop the run at once after 20 s.

    A point fails if it raises, exceeds the experiment's timeout, exceeds the memory limit or
    crashes its process. All other points are computed.

    Exit codes: 0 every point is done, 1 some points failed, 2 a mistake in the command or the
    experiment, 130 interrupted.
    """
    from sweeps.execution.options import Options, Watcher
    from sweeps.operations import run

    sweep = asked.sweep()
    given = Options(engine, workers, limit, recompute, not no_retry, memory_limit)
    watcher = Watcher(sweep.experiment.name)
    try:
        report = run.execute(sweep, given, watcher, is_only_one=True)
    finally:
        watcher.close()
    for warning in (each for each in report.warnings if each not in watcher.told):
        warn(f"warning: {warning}")
    asked.say(answer(report))
    if report.n_failed:
        words = ("failures", asked.name, *asked.axes)
        warn(f"see: {asked.command_line(*words, only=asked.only)}")
    if report.is_interrupted:
        warn("interrupted; finished points are kept: run again to continue")
        return INTERRUPTED
    return 1 if report.n_failed else 0


def answer(report: Report) -> Answer:
    """Answer `run`; points are still to do after an interrupt or with a limit."""
    n_left = report.n_points - report.n_computed - report.n_reused - report.n_failed
    left = f", {n_left:,} still to do" if n_left > 0 else ""
    text = (
        f"{report.experiment}: {count(report.n_points, 'point')}: {report.n_computed:,} computed, "
        f"{report.n_reused:,} reused, {report.n_failed:,} failed{left} "
        f"(took {duration(report.seconds)}) → {path(report.results)}"
    )
    data = {
        "experiment": report.experiment,
        "points": report.n_points,
        "reused": report.n_reused,
        "computed": report.n_computed,
        "failed": report.n_failed,
        "excluded": report.n_excluded,
        "seconds": report.seconds,
        "results": report.results,
        "fingerprint": report.fingerprint,
    }
    return Answer(text, data)
