"""The command line: arguments to one call, its answer to text or JSON, an exit code."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

import click

from sweeps import __version__, answers, display
from sweeps.errors import StorageError, SweepsError
from sweeps.interrupting import Interrupted

if TYPE_CHECKING:
    from sweeps.subject import Subject

_INTERRUPTED = 130

Command = Callable[..., int | None]


def _common(command: Command) -> Command:
    """Give a command the options that all have."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Answer in JSON."),
        click.option(
            "--results", metavar="DIR", help="Folder of results [SWEEPS_RESULTS, results]."
        ),
        click.option(
            "--experiments",
            metavar="PATH",
            help="Folder, file or module of experiments [SWEEPS_EXPERIMENTS, experiments].",
        ),
    ):
        command = option(command)
    return command


_name = click.argument("name")
_axes = click.argument("axes", nargs=-1, metavar="[AXIS=VALUES]...")


def _all_of(context: click.Context, option: click.Parameter, given: tuple[str, ...]) -> str | None:
    """Join several conditions to one: points must meet all of them."""
    if len(given) < 2:
        return given[0] if given else None
    return " and ".join(f"({text})" for text in given)


_only = click.option(
    "--only",
    multiple=True,
    callback=_all_of,
    metavar="CONDITION",
    help="Only points that meet it: 'length<0.5 and method==\"rk4\"'.",
)
_rows = click.option(
    "--rows", default=10, type=click.IntRange(min=0), metavar="N", help="Rows of a table [10]."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """Parameter sweeps: every result computed once, labelled, in one HDF5 file."""


@cli.command("list", short_help="List the experiments.")
@_common
def list_(experiments: str | None, results: str | None, as_json: bool) -> None:
    """List the experiments, their points and what they are about."""
    from sweeps import reporting

    _say(answers.listed(reporting.listed(experiments)), as_json)


@cli.command(short_help="Write an experiment to start from.")
@_name
@_common
def new(name: str, experiments: str | None, results: str | None, as_json: bool) -> None:
    """Write a ready-to-run experiment NAME to start from."""
    from sweeps import template

    path = template.write(name, experiments)
    run_it = _command("run", name, experiments=experiments, results=results)
    text = f"wrote {path}; run it by: {run_it}"
    _say(answers.Answer(text, {"experiment": name, "path": path}), as_json)


@cli.command(short_help="Say what a run would do.")
@_name
@_axes
@_only
@click.option("--recompute", is_flag=True, help="As if nothing were known.")
@_common
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
        _subject(name, experiments, results, axes, only), recompute=recompute
    )
    _say(answers.planned(planned), as_json)


@cli.command(short_help="Compute what is missing, and land all.")
@_name
@_axes
@_only
@click.option(
    "-j",
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Number of workers [one a core].",
)
@click.option("--engine", default="loky", metavar="NAME", help="loky, serial or threads [loky].")
@click.option("--limit", type=click.IntRange(min=0), metavar="N", help="Compute at most N points.")
@click.option("--recompute", is_flag=True, help="Compute also what is known.")
@click.option("--no-retry", is_flag=True, help="Leave failed points as they are.")
@_common
def run(
    name: str,
    axes: tuple[str, ...],
    only: str | None,
    workers: int | None,
    engine: str,
    limit: int | None,
    recompute: bool,
    no_retry: bool,
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
    once. What is finished is kept.

    Exit codes: 0 every point done, 1 some failed, 2 a mistake in what was asked, 130 interrupted.
    """
    from sweeps import progress, running
    from sweeps.invocation import Options

    subject = _subject(name, experiments, results, axes, only)
    options = Options(engine, workers, limit, recompute, not no_retry)
    watcher = progress.Watcher(subject.experiment.name)
    try:
        report = running.execute(subject, options, watcher)
    finally:
        watcher.close()
    for warning in report.warnings:
        _warn(f"warning: {warning}")
    _say(answers.ran(report), as_json)
    if report.n_failed:
        options_of_it = {"only": only, "experiments": experiments, "results": results}
        see = _command("failures", name, *axes, **options_of_it)
        _warn(f"see: {see}")
    if report.is_interrupted:
        _warn("interrupted; what was finished is kept: run again to go on")
        return _INTERRUPTED
    return 1 if report.n_failed else 0


@cli.command(short_help="Say how far experiments are.")
@click.argument("name", required=False)
@_common
def status(name: str | None, experiments: str | None, results: str | None, as_json: bool) -> None:
    """Say how far NAME is, or all experiments are."""
    from sweeps import reporting

    if name is not None:
        row = reporting.status_of(_subject(name, experiments, results))
        _say(answers.status(row), as_json)
        return
    rows, problems = reporting.statuses(experiments, results)
    _say(answers.statuses(rows), as_json)
    for problem in problems:
        _warn(f"warning: {problem}")


@cli.command(short_help="Show the failed points and why they failed.")
@_name
@_axes
@_only
@_rows
@_common
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

    failed = reporting.failures(_subject(name, experiments, results, axes, only))
    _say(answers.failures(failed, rows), as_json)


@cli.command(short_help="Show the results as tables.")
@_name
@_rows
@_common
def show(name: str, rows: int, experiments: str | None, results: str | None, as_json: bool) -> None:
    """Show the first results of NAME as a table, and each output in numbers.

    NAME may also be the path of a results file.
    """
    from sweeps import reporting, showing

    view = showing.view(reporting.results_path(name, results), rows)
    _say(answers.shown(name, view), as_json)


@cli.command(short_help="Say what nobody needs any more; free it.")
@_name
@click.option("--yes", is_flag=True, help="Free it.")
@_common
def clean(
    name: str, yes: bool, experiments: str | None, results: str | None, as_json: bool
) -> None:
    """Say what of NAME's memo nobody needs any more; free it with --yes.

    That are results of earlier code, damaged segments and what killed runs left behind. The
    results of the present code stay.
    """
    from sweeps import cleaning

    found = cleaning.waste(_subject(name, experiments, results))
    n_bytes = cleaning.free(found) if yes else sum(each.n_bytes for each in found)
    _say(answers.cleaned(name, found, n_bytes, is_freed=yes), as_json)


def _subject(
    name: str,
    experiments: str | None,
    results: str | None,
    axes: tuple[str, ...] = (),
    only: str | None = None,
) -> Subject:
    from sweeps import overrides, subject

    given = overrides.parse_all(axes)
    return subject.resolve(name, results=results, experiments=experiments, axes=given, only=only)


def _command(*words: str, **options: str | None) -> str:
    """A command line to give as advice, with the options of this one."""
    given = [f"--{name}={value}" for name, value in options.items() if value]
    return shlex.join(["python", "-m", "sweeps", *words, *given])


def _say(answer: answers.Answer, as_json: bool) -> None:
    text = display.as_json(answer.data) if as_json else answer.text
    try:
        click.echo(text)
    except OSError as error:
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - or it is flushed again at exit
        if not isinstance(error, BrokenPipeError):  # `| head` had enough, which is no mistake
            raise StorageError(f"cannot write the answer: {error.strerror}") from error


def _warn(text: str) -> None:
    with contextlib.suppress(OSError):  # where stderr takes nothing, the exit code must do
        click.echo(text, err=True)


def main() -> NoReturn:
    """Run the command line; a user's mistake is one message and exit code 2, no traceback."""
    _open_standard_streams()
    code = _exit_code()
    try:
        sys.stderr.flush()
    except OSError:  # or Python tries again at exit, and exits with 120
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115
    sys.exit(code)


def _exit_code() -> int:
    try:
        return cli.main(standalone_mode=False) or 0
    except click.ClickException as error:
        with contextlib.suppress(OSError):
            error.show()
        return error.exit_code
    except SweepsError as error:
        _warn(f"error: {error}")
        return error.exit_code
    except OSError as error:  # only os.getcwd() names no file
        _warn(f"error: {error if error.filename else 'the working directory is gone'}")
        return SweepsError.exit_code
    except (Interrupted, KeyboardInterrupt, click.Abort):
        _warn("interrupted; what was finished is kept")
        return _INTERRUPTED


def _open_standard_streams() -> None:
    """Make stdin, stdout and stderr exist, here and in workers, and take all characters.

    A closed one (`>&-`) is None to Python, which joblib trips over, and its number would go to the
    next file that is opened, for others to print into.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = open(os.devnull, mode)  # noqa: PTH123, SIM115
            os.set_inheritable(stream.fileno(), True)
            setattr(sys, name, stream)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # as stderr has by itself
