"""The command line: arguments to one call, its answer to text or JSON, an exit code."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import click

from sweeps import display
from sweeps.errors import SweepsError
from sweeps.interrupting import Interrupted

_INTERRUPTED = 130

Command = Callable[..., Any]


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


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="sweeps")
def cli() -> None:
    """Parameter sweeps: every result computed once, labelled, in one HDF5 file."""


@cli.command("list")
@_common
def list_(experiments: str | None, results: str | None, as_json: bool) -> None:
    """List the experiments, their points and what they are about."""
    from sweeps import reporting

    rows = reporting.listed(experiments)
    if as_json:
        _print_json([dataclasses.asdict(row) for row in rows])
        return
    shown = [
        (r.name, r.points, r.summary if r.error is None else f"cannot be imported: {r.error}")
        for r in rows
    ]
    click.echo(display.table(["name", "points", "about"], shown) if shown else "no experiments yet")


@cli.command()
@click.argument("name")
@_common
def new(name: str, experiments: str | None, results: str | None, as_json: bool) -> None:
    """Write a ready-to-run experiment NAME to start from."""
    from sweeps import template

    path = template.write(name, experiments)
    if as_json:
        _print_json({"experiment": name, "path": str(path)})
    else:
        click.echo(f"wrote {path}; run it by: python -m sweeps run {name}")


@cli.command()
@click.argument("name")
@click.argument("axes", nargs=-1, metavar="[AXIS=VALUES]...")
@click.option("--recompute", is_flag=True, help="As if nothing were known.")
@_common
def plan(
    name: str,
    axes: tuple[str, ...],
    recompute: bool,
    experiments: str | None,
    results: str | None,
    as_json: bool,
) -> None:
    """Say what a run would do, and do nothing."""
    from sweeps import reporting

    planned = reporting.planned(_resolve(name, axes, experiments, results), recompute=recompute)
    if as_json:
        _print_json(dataclasses.asdict(planned))
        return
    click.echo(
        f"{planned.experiment}: {planned.points:,} points: {planned.reused:,} reused, "
        f"{planned.missing:,} missing, {planned.failed:,} failed, {planned.stale:,} stale"
    )


@cli.command()
@click.argument("name")
@click.argument("axes", nargs=-1, metavar="[AXIS=VALUES]...")
@click.option("-j", "--workers", type=int, metavar="N", help="Number of workers [one a core].")
@click.option("--engine", default="loky", metavar="NAME", help="loky, serial or threads.")
@click.option("--limit", type=int, metavar="N", help="Compute at most N points.")
@click.option("--recompute", is_flag=True, help="Compute also what is known.")
@click.option("--no-retry", is_flag=True, help="Leave failed points as they are.")
@_common
def run(
    name: str,
    axes: tuple[str, ...],
    workers: int | None,
    engine: str,
    limit: int | None,
    recompute: bool,
    no_retry: bool,
    experiments: str | None,
    results: str | None,
    as_json: bool,
) -> None:
    """Compute what is missing of NAME and land all of it in results/NAME.h5.

    AXIS=VALUES sweeps other values than declared: length=0.1,0.5 or 'length=linspace(0.1,2,20)'.
    """
    from sweeps import running

    subject = _resolve(name, axes, experiments, results)
    options = running.Options(engine, workers, limit, recompute, not no_retry)
    watcher = display.Watcher(subject.experiment.name)
    try:
        report = running.execute(subject, options, watcher)
    finally:
        watcher.close()
    for warning in report.warnings:
        click.echo(f"warning: {warning}", err=True)
    if as_json:
        _print_json(
            {
                "experiment": report.experiment,
                "points": report.n_points,
                "reused": report.n_reused,
                "computed": report.n_computed,
                "failed": report.n_failed,
                "excluded": report.n_excluded,
                "seconds": report.seconds,
                "results": str(report.results),
                "fingerprint": report.fingerprint,
            }
        )
    else:
        click.echo(
            f"{report.experiment}: {report.n_points:,} points: {report.n_computed:,} computed, "
            f"{report.n_reused:,} reused, {report.n_failed:,} failed in "
            f"{display.duration(report.seconds)} → {_shown(report.results)}"
        )
        if report.n_failed:
            click.echo(f"see: python -m sweeps failures {report.experiment}", err=True)
    if report.is_interrupted:
        sys.exit(_INTERRUPTED)
    sys.exit(1 if report.n_failed else 0)


@cli.command()
@click.argument("name", required=False)
@_common
def status(name: str | None, experiments: str | None, results: str | None, as_json: bool) -> None:
    """Say how far NAME is, or all experiments are."""
    from sweeps import reporting

    names = [name] if name else [r.full_name for r in reporting.listed(experiments) if not r.error]
    rows = [reporting.status_of(_resolve(each, (), experiments, results)) for each in names]
    if as_json:
        _print_json(
            [dataclasses.asdict(r) for r in rows] if not name else dataclasses.asdict(rows[0])
        )
        return
    header = ["experiment", "points", "done", "missing", "failed", "stale", "results"]
    shown = [
        (
            r.experiment,
            r.points,
            r.done,
            r.missing,
            r.failed,
            r.stale,
            _shown(Path(r.results)) if Path(r.results).exists() else "(not landed)",
        )
        for r in rows
    ]
    click.echo(display.table(header, shown))


@cli.command()
@click.argument("name")
@click.argument("axes", nargs=-1, metavar="[AXIS=VALUES]...")
@_common
def failures(
    name: str,
    axes: tuple[str, ...],
    experiments: str | None,
    results: str | None,
    as_json: bool,
) -> None:
    """Show the failed points of NAME, their parameters and tracebacks."""
    from sweeps import reporting

    failed = reporting.failures(_resolve(name, axes, experiments, results))
    if as_json:
        rows = [dataclasses.asdict(f) for f in failed]
        _print_json([{**row, "params": reporting.plain(row["params"])} for row in rows])
        return
    for f in failed:
        params = ", ".join(f"{key}={value!r}" for key, value in f.params.items())
        click.echo(f"{params}: {f.kind} after {f.attempts} attempts: {f.type}: {f.message}")
        click.echo("".join(f"    {line}\n" for line in f.traceback.splitlines()))
    click.echo(f"{len(failed):,} failed")


@cli.command()
@click.argument("name")
@click.option("--rows", default=10, metavar="N", help="Rows of the table [10].")
@_common
def show(name: str, rows: int, experiments: str | None, results: str | None, as_json: bool) -> None:
    """Show the results of NAME as a table, and each output in numbers."""
    from sweeps import reporting

    dataset = reporting.load(name, results=results)
    outputs = reporting.statistics(dataset)
    header, lines = reporting.rows(dataset, rows)
    if as_json:
        _print_json(
            {
                "experiment": name,
                "sizes": dict(dataset.sizes),
                "outputs": [dataclasses.asdict(o) for o in outputs],
                "rows": [
                    dict(zip(header, map(reporting.plain, line), strict=True)) for line in lines
                ],
            }
        )
        return
    click.echo(display.table(header, lines))
    header = ["output", "units", "dims", "dtype", "values", "missing", "min", "mean", "max", "std"]
    click.echo("")
    click.echo(
        display.table(
            header,
            [
                (
                    o.name,
                    o.units,
                    ", ".join(o.dims),
                    o.dtype,
                    o.n_values,
                    o.n_missing,
                    o.minimum,
                    o.mean,
                    o.maximum,
                    o.standard_deviation,
                )
                for o in outputs
            ],
        )
    )


@cli.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Free it.")
@_common
def clean(
    name: str, yes: bool, experiments: str | None, results: str | None, as_json: bool
) -> None:
    """Say what of NAME's memo nobody needs any more; free it with --yes."""
    from sweeps import cleaning

    found = cleaning.waste(_resolve(name, (), experiments, results))
    n_bytes = cleaning.free(found) if yes else sum(each.n_bytes for each in found)
    if as_json:
        listed = [{**dataclasses.asdict(each), "path": str(each.path)} for each in found]
        _print_json({"experiment": name, "bytes": n_bytes, "freed": yes, "waste": listed})
        return
    for each in found:
        click.echo(f"{display.size(each.n_bytes):>8}  {each.reason}: {_shown(each.path)}")
    advice = "" if yes or not found else "; free it with --yes"
    click.echo(f"{'freed' if yes else 'could free'} {display.size(n_bytes)}{advice}")


def _resolve(name: str, axes: tuple[str, ...], experiments: str | None, results: str | None) -> Any:
    from sweeps import overrides, subject

    given = overrides.parse_all(axes)
    return subject.resolve(name, results=results, experiments=experiments, axes=given)


def _print_json(thing: Any) -> None:
    click.echo(display.as_json(thing))


def _shown(path: Path) -> str:
    """A path as short as it can be from here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def main() -> NoReturn:
    """Run the command line; a user's mistake is one message and exit code 2, no traceback."""
    try:
        code = cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except SweepsError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except (Interrupted, KeyboardInterrupt, click.Abort):
        click.echo("interrupted; what was finished is kept", err=True)
        sys.exit(_INTERRUPTED)
    except BrokenPipeError:  # the reader of a pipe had enough
        sys.stderr.close()
        sys.exit(0)
    sys.exit(code or 0)
