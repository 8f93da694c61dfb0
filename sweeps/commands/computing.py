"""Commands that make experiments, plan and run them."""

from __future__ import annotations

import click

from sweeps import answers
from sweeps.commands import common


@click.command(short_help="Write an experiment to start from.")
@common.name
@common.options
def new(name: str, experiments: str | None, results: str | None, as_json: bool) -> None:
    """Write a ready-to-run experiment NAME to start from."""
    from sweeps import template

    path = template.write(name, experiments)
    run_it = common.command_line("run", name, experiments=experiments, results=results)
    text = f"wrote {path}; run it by: {run_it}"
    common.say(answers.Answer(text, {"experiment": name, "path": path}), as_json)


@click.command(short_help="Say what a run would do.")
@common.name
@common.axes
@common.only
@click.option("--recompute", is_flag=True, help="As if nothing were known.")
@common.options
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
    from sweeps import reporting

    planned = reporting.planned(
        common.subject(name, experiments, results, axes, only), recompute=recompute
    )
    for told in planned.unwatched:
        common.warn(told)
    common.say(answers.planned(planned), as_json)
    common.advise_on_stale(planned.stale, name, experiments, results)


@click.command(short_help="Compute what is missing, and land all.")
@common.name
@common.axes
@common.only
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
@common.output
@common.options
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
    from sweeps import progress, running
    from sweeps.invocation import Options

    subject = common.subject(name, experiments, results, axes, only, output)
    options = Options(engine, workers, limit, recompute, not no_retry, memory_limit)
    watcher = progress.Watcher(subject.experiment.name)
    try:
        report = running.execute(subject, options, watcher, is_only_one=True)
    finally:
        watcher.close()
    for warning in (each for each in report.warnings if each not in watcher.told):
        common.warn(f"warning: {warning}")
    common.say(answers.ran(report), as_json)
    if report.n_failed:
        options_of_it = {"only": only, "experiments": experiments, "results": results}
        see = common.command_line("failures", name, *axes, **options_of_it)
        common.warn(f"see: {see}")
    if report.is_interrupted:
        common.warn("interrupted; what was finished is kept: run again to go on")
        return common.INTERRUPTED
    return 1 if report.n_failed else 0


@click.command(short_help="Land what is known, without computing.")
@common.name
@common.axes
@click.option("--all", "everything", is_flag=True, help="All known points, of whatever values.")
@common.output
@common.options
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
    from sweeps import relanding

    if everything and axes:
        raise click.UsageError("--all lands all that is known: give no values of axes with it")
    subject = common.subject(name, experiments, results, axes, output=output)
    _, landed = relanding.land_subject(subject, everything=everything)
    for warning in landed.warnings:
        common.warn(f"warning: {warning}")
    common.say(answers.landed(landed), as_json)


COMMANDS = (new, plan, run, land)
