"""Commands that say what is there: experiments, how far they are, failures, results."""

from __future__ import annotations

import click

from sweeps import answers
from sweeps.commands import common


@click.command("list", short_help="List the experiments.")
@common.options
def list_(experiments: str | None, results: str | None, as_json: bool) -> None:
    """List the experiments, their points and what they are about."""
    from sweeps import reporting

    common.say(answers.listed(reporting.listed(experiments)), as_json)


@click.command(short_help="Say how far experiments are.")
@click.argument("name", required=False)
@common.options
def status(name: str | None, experiments: str | None, results: str | None, as_json: bool) -> None:
    """Say how far NAME is, or all experiments are."""
    from sweeps import reporting

    if name is not None:
        row = reporting.status_of(common.subject(name, experiments, results))
        common.say(answers.status(row), as_json)
        common.advise_on_stale(row.stale, name, experiments, results)
        return
    rows, problems = reporting.statuses(experiments, results)
    common.say(answers.statuses(rows), as_json)
    for problem in problems:
        common.warn(f"warning: {problem}")


@click.command(short_help="Show the failed points and why they failed.")
@common.name
@common.axes
@common.only
@common.rows
@common.options
def failures(
    name: str,
    axes: tuple[str, ...],
    only: str | None,
    rows: int,
    experiments: str | None,
    results: str | None,
    as_json: bool,
) -> None:
    """Show the failed points of NAME, their parameters, messages and a traceback.

    Points that failed at the same place of the code stand together. --json gives all of them, each
    with its traceback.
    """
    from sweeps import reporting

    failed = reporting.failures_of(common.subject(name, experiments, results, axes, only))
    common.say(answers.failures(failed, rows), as_json)
    if failed and not as_json:
        one = next((each for each in failed if each.kind == "exception"), failed[0])
        places = {"point": str(one.position), "experiments": experiments, "results": results}
        common.warn(f"debug one: {common.command_line('reproduce', name, *axes, **places)} --pdb")


@click.command(short_help="Show what points printed and warned of.")
@common.name
@common.axes
@common.only
@common.options
def printed(
    name: str,
    axes: tuple[str, ...],
    only: str | None,
    experiments: str | None,
    results: str | None,
    as_json: bool,
) -> None:
    """Show what the points of NAME printed and warned of when they were computed.

    Each line has the parameters of its point in front.
    """
    from sweeps import reporting

    found = reporting.printed(common.subject(name, experiments, results, axes, only))
    common.say(answers.printed(found), as_json)


@click.command(short_help="Show the results as tables.")
@common.name
@common.rows
@common.options
def show(name: str, rows: int, experiments: str | None, results: str | None, as_json: bool) -> None:
    """Show the first results of NAME as a table, and each output in numbers.

    NAME may also be the path of a results file.
    """
    from sweeps import reporting, showing

    path = reporting.results_path(name, results)
    reporting.refuse_unlanded(path)
    view = showing.view(path, rows)
    common.say(answers.shown(name, view), as_json)
    for each in reporting.running(path):
        common.warn(f"{each}; what is shown was landed last")


COMMANDS = (list_, status, failures, printed, show)
