"""The commands that plan, compute and write results: `plan`, `run` and `land`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sweeps.cli import options as cli_options
from sweeps.cli import output as cli_output
from sweeps.cli.output import Answer
from sweeps.text import count, duration, path

if TYPE_CHECKING:
    from sweeps.execution.options import Report
    from sweeps.operations.land import Landed
    from sweeps.operations.status import Planned


@click.command(short_help="Say what a run would do.")
@cli_options.name
@cli_options.axes
@cli_options.only
@click.option("--recompute", is_flag=True, help="As if nothing were known.")
@cli_options.options
def plan(
    name: str,
    axes: tuple[str, ...],
    only: str | None,
    recompute: bool,
    experiments: str | None,
    results: str | None,
    as_json: bool,
) -> None:
    """Say what a run of NAME would do, and do nothing.

    Stale points are those that only earlier code has computed.
    """
    from sweeps.operations import status

    planned = status.planned(
        cli_options.sweep(name, experiments, results, axes, only), recompute=recompute
    )
    for told in planned.unwatched:
        cli_output.warn(told)
    cli_output.say(answer_of_plan(planned), as_json)
    cli_options.advise_on_stale(planned.stale, name, experiments, results)


@click.command(short_help="Compute what is missing, and land all.")
@cli_options.name
@cli_options.axes
@cli_options.only
@click.option(
    "-j",
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Number of workers [one a core].",
)
@click.option("--engine", default="loky", metavar="NAME", help="loky, serial or threads [loky].")
@click.option("--limit", type=click.IntRange(min=0), metavar="N", help="Compute at most N points.")
@click.option("--memory-limit", metavar="SIZE", help="Memory of each worker: 512M, 2G.")
@click.option("--recompute", is_flag=True, help="Compute also what is known.")
@click.option("--no-retry", is_flag=True, help="Leave failed points as they are.")
@cli_options.output
@cli_options.options
def run(
    name: str,
    axes: tuple[str, ...],
    only: str | None,
    workers: int | None,
    engine: str,
    limit: int | None,
    memory_limit: str | None,
    recompute: bool,
    no_retry: bool,
    output: str | None,
    experiments: str | None,
    results: str | None,
    as_json: bool,
) -> int:
    """Compute what is missing of NAME and land all of it in results/NAME.h5.

    AXIS=VALUES sweeps other values than declared: length=0.1,0.5, 'length=linspace(0.1,2,20)' or
    'replicate=range(0,20)'. Ranges and choices are sampled: length=0.1:2 'method=choice(rk4,euler)'
    'sample=sobol(1024)'; also halton, latin_hypercube, uniform and saltelli, with a seed:
    'sample=halton(500, seed=3)'.

    Interrupted by Ctrl-C, a run finishes and lands what is under way; a second Ctrl-C stops it at
    once. What is finished is kept. SIGTERM and SIGHUP do the same, and count twice after 20 s.

    A point that takes more memory than the limit, kills its process or exceeds the experiment's
    timeout is a failed point; all others are computed.

    Exit codes: 0 every point done, 1 some failed, 2 a mistake in what was asked, 130 interrupted.
    """
    from sweeps.execution import progress
    from sweeps.execution.options import Options
    from sweeps.operations import run as operations_run

    sweep = cli_options.sweep(name, experiments, results, axes, only, output)
    options = Options(engine, workers, limit, recompute, not no_retry, memory_limit)
    watcher = progress.Watcher(sweep.experiment.name)
    try:
        report = operations_run.execute(sweep, options, watcher, is_only_one=True)
    finally:
        watcher.close()
    for warning in (each for each in report.warnings if each not in watcher.told):
        cli_output.warn(f"warning: {warning}")
    cli_output.say(answer_of_run(report), as_json)
    if report.n_failed:
        options_of_it = {"only": only, "experiments": experiments, "results": results}
        see = cli_options.command_line("failures", name, *axes, **options_of_it)
        cli_output.warn(f"see: {see}")
    if report.is_interrupted:
        cli_output.warn("interrupted; what was finished is kept: run again to go on")
        return cli_output.INTERRUPTED
    return 1 if report.n_failed else 0


@click.command(short_help="Land what is known, without computing.")
@cli_options.name
@cli_options.axes
@click.option("--all", "everything", is_flag=True, help="All known points, of whatever values.")
@cli_options.output
@cli_options.options
def land(
    name: str,
    axes: tuple[str, ...],
    everything: bool,
    output: str | None,
    experiments: str | None,
    results: str | None,
    as_json: bool,
) -> None:
    """Land what is known of NAME in results/NAME.h5; compute nothing.

    With --all, these are all points that the present code has computed, whichever values they
    were asked for with: a grid where they fill most of one, a list of points else.
    """
    from sweeps.operations import land as operations_land

    if everything and axes:
        raise click.UsageError("--all lands all that is known: give no values of axes with it")
    sweep = cli_options.sweep(name, experiments, results, axes, output=output)
    _, landed = operations_land.land_sweep(sweep, everything=everything)
    for warning in landed.warnings:
        cli_output.warn(f"warning: {warning}")
    cli_output.say(answer_of_landing(landed), as_json)


def answer_of_plan(plan: Planned) -> Answer:
    """Answer `plan`."""
    return Answer(
        f"{plan.experiment}: {count(plan.points, 'point')}: {plan.reused:,} reused, "
        f"{plan.missing:,} missing, {plan.failed:,} failed, {plan.stale:,} stale"
        + "".join(f"\nnote: {note}" for note in plan.notes),
        vars(plan),
    )


def answer_of_run(report: Report) -> Answer:
    """Answer `run`; points left are those that an interrupt or a limit kept from being computed."""
    n_left = report.n_points - report.n_computed - report.n_reused - report.n_failed
    left = f", {n_left:,} left" if n_left > 0 else ""
    text = (
        f"{report.experiment}: {count(report.n_points, 'point')}: {report.n_computed:,} computed, "
        f"{report.n_reused:,} reused, {report.n_failed:,} failed{left} in "
        f"{duration(report.seconds)} → {path(report.results)}"
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


def answer_of_landing(landed: Landed) -> Answer:
    """Answer `land`."""
    n_missing = landed.n_points - landed.n_done - landed.n_failed
    text = (
        f"{landed.experiment}: {count(landed.n_points, 'point')}: {landed.n_done:,} done, "
        f"{landed.n_failed:,} failed, {n_missing:,} missing → {path(Path(landed.results))}"
    )
    data = {
        "experiment": landed.experiment,
        "points": landed.n_points,
        "done": landed.n_done,
        "failed": landed.n_failed,
        "missing": n_missing,
        "known": landed.n_known,
        "results": landed.results,
    }
    return Answer(text, data)
