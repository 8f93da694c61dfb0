"""The command that computes missing points and writes the results file."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from sweeps.cli import options
from sweeps.cli.options import INTERRUPTED, Answer, Asked, warn
from sweeps.text import count, duration, path

if TYPE_CHECKING:
    from sweeps.execution.options import Options, Report
    from sweeps.progress.show import Watcher

    Over = Callable[[Report, int], None]


@click.command("run", short_help="Compute missing points and write the results file.")
@options.name
@options.axes
@options.only
@options.computing
@click.option("--recompute", is_flag=True, help="Recompute points that already have results.")
@click.option(
    "--shard",
    metavar="K/N",
    help="Compute part K of N, from 0, and write no results file; auto takes K and N from the "
    "batch system, auto/N takes K.",
)
@options.output
@click.option(
    "--notify",
    metavar="COMMAND|URL",
    help="When the run ends, call this command, or POST to this http(s) URL.",
)
@options.quiet
@options.options
def command(
    asked: Asked, how: Options, recompute: bool, shard: str | None, notify: str | None
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

    --notify gives a command the message as its last argument, and more in SWEEPS_STATUS,
    SWEEPS_FAILED and the like; no shell is involved. A URL gets the same as JSON. What becomes of
    it is no matter to the run.

    Exit codes: 0 every point is done, 1 some points failed, 2 a mistake in the command or the
    experiment, 130 interrupted.
    """
    how = dataclasses.replace(how, recompute=recompute, quiet=asked.is_quiet)
    if notify is None:
        return _run(asked, how, shard)
    from sweeps.cli import notifying

    with notifying.at_the_end(notify, asked.name) as over:
        return _run(asked, how, shard, over)


def _run(asked: Asked, how: Options, shard: str | None, over: Over | None = None) -> int:
    from sweeps.operations import run

    if shard is not None:
        return _compute_shard(asked, how, shard, over)
    sweep = asked.sweep()
    return carry_out(
        asked,
        sweep.experiment.name,
        lambda watch: run.execute(sweep, how, watch, is_only_one=True),
        over,
    )


def _compute_shard(asked: Asked, how: Options, given: str, over: Over | None) -> int:
    from sweeps.execution.shard import parse
    from sweeps.operations import work

    if asked.output is not None:
        raise click.UsageError(
            "--shard writes no results file: give --output to land, when all is computed"
        )
    shard = parse(given)
    sweep = asked.sweep()
    return carry_out(
        asked,
        f"{sweep.experiment.name} {shard}",
        lambda watch: work.execute(sweep, how, watch, shard, is_only_one=True),
        over,
    )


def carry_out(
    asked: Asked,
    name: str,
    execute: Callable[[Watcher | None], Report],
    over: Over | None = None,
) -> int:
    """Run under a name while showing progress; say what came of it, and return the exit code.

    `over` is given the report and this code, if there is a report.
    """
    from sweeps.progress.show import Watcher

    watcher = Watcher(name)
    try:
        report = execute(None if asked.is_quiet else watcher)
    finally:
        watcher.close()
    code = INTERRUPTED if report.is_interrupted else 1 if report.n_failed else 0
    if over is not None:
        over(report, code)
    for warning in (each for each in report.warnings if each not in watcher.told):
        warn(f"warning: {warning}")
    asked.say(answer(report, name))
    if report.n_failed:
        words = ("failures", asked.name, *asked.axes)
        failed = f"{name}: {report.n_failed:,} of {count(report.n_points, 'point')} failed; "
        see = f"see: {asked.command_line(*words, only=asked.only)}"
        warn(f"{failed if asked.is_quiet else ''}{see}", is_error=True)
    if report.is_interrupted:
        warn("interrupted; finished points are kept: run again to continue", is_error=True)
    elif not report.is_landed:
        words = ("land", asked.name, *asked.axes)
        warn(f"when all is computed: {asked.command_line(*words)}")
    return code


def answer(report: Report, name: str = "") -> Answer:
    """Answer `run` and `work`; points are still to do after an interrupt, or where others do them.

    A shard, whose name says which, is counted alone.
    """
    n_left = report.n_points - report.n_computed - report.n_reused - report.n_failed
    left = f", {n_left:,} still to do" if n_left > 0 else ""
    place = f" → {path(report.results)}" if report.is_landed else "; no results file written"
    text = (
        f"{name or report.experiment}: {count(report.n_points, 'point')}: "
        f"{report.n_computed:,} computed, {report.n_reused:,} reused, {report.n_failed:,} failed"
        f"{left} (took {duration(report.seconds)}){place}"
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
