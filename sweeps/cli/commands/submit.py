"""The command that hands a sweep to a batch system."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sweeps.cli import options
from sweeps.cli.options import Answer, Asked, warn
from sweeps.errors import SweepsError
from sweeps.text import count, path

if TYPE_CHECKING:
    from sweeps.execution.options import Options
    from sweeps.operations.submit import Sent, Submission
    from sweeps.project.sweep import Sweep


@click.command("submit", short_help="Write a job array for a cluster; --yes submits it.")
@options.name
@options.axes
@options.only
@click.option(
    "--tasks",
    "n_tasks",
    required=True,
    type=click.IntRange(min=1),
    metavar="N",
    help="Number of tasks, which share the points.",
)
@click.option(
    "--at-most",
    "n_at_once",
    type=click.IntRange(min=1),
    metavar="N",
    help="Number of tasks that may run at the same time [all].",
)
@click.option("--profile", metavar="NAME", help="Profile of the cluster [the only one].")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="What jobs get: time=2:00:00, mem=16G, or another key of profiles.",
)
@click.option(
    "--template",
    "templates",
    multiple=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Fill in this script, for another system than Slurm.",
)
@options.computing
@click.option("--yes", is_flag=True, help="Submit the jobs.")
@options.options
def command(
    asked: Asked,
    how: Options,
    n_tasks: int,
    n_at_once: int | None,
    profile: str | None,
    settings: tuple[str, ...],
    templates: tuple[Path, ...],
    yes: bool,
) -> None:
    """Write and show the script of a Slurm job array that computes NAME; --yes submits it.

    Each task runs `work NAME`, so the tasks share the points, however many of them run. When the
    last one has ended, another job runs `land NAME`, for all points, whatever --only says. A task
    whose time is over goes back into the queue.

    Options behind -- go to sbatch as they are: submit NAME --tasks 8 -- --exclusive

    What a site wants in each job stands in a profile, [tool.sweeps.cluster.NAME] in pyproject.toml:
    partition, account, time, cpus_per_task, mem, gpus, prologue, extra, requeue.
    """
    from sweeps.operations import submit
    from sweeps.project import cluster

    axes, words = _split(asked.axes)
    asked = dataclasses.replace(asked, axes=axes)
    if templates and yes:
        raise click.UsageError(
            "--yes submits to Slurm: with --template, submit the script yourself"
        )
    if yes and not submit.is_here():
        raise SweepsError(
            "there is no sbatch here: type this where Slurm is, or leave out --yes to get a script "
            "that you can submit there"
        )
    found = cluster.profile(Path.cwd(), profile, settings, words)
    sweep = asked.sweep()
    outlook = submit.look(sweep, how)
    if how.retry and how.retry_before is None:
        how = dataclasses.replace(how, retry_before=outlook.since)
    made = submit.decide(
        sweep,
        outlook.n_todo,
        work=(*_command(asked, sweep, "work"), *_words(asked.only, how)),
        land=_command(asked, sweep, "land"),
        n_tasks=n_tasks,
        n_at_once=n_at_once,
        profile=found,
        templates=templates,
    )
    for note in made.notes:
        warn(f"note: {note}")
    if made.n_tasks:
        submit.write(made)
    sent = submit.send(made) if yes and made.n_tasks else None
    asked.say(answer(made, sent))
    for said in sent.said if sent is not None else ():
        warn(f"warning: {said}")
    if sent is not None and not sent.landing:
        warn(f"when all tasks have ended: {asked.command_line('land', asked.name, *asked.axes)}")


def _split(given: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Tell axes from options of sbatch, which begin with the first dash: click dropped the --."""
    n_axes = next((n for n, text in enumerate(given) if text.startswith("-")), len(given))
    return tuple(given[:n_axes]), tuple(given[n_axes:])


def _command(asked: Asked, sweep: Sweep, command: str) -> tuple[str, ...]:
    """Return a command as a job runs it, in this folder, with the same folders."""
    given = {
        "experiments": asked.experiments or os.environ.get("SWEEPS_EXPERIMENTS"),
        "results": str(sweep.results),
    }
    own = (f"--{name}={value}" for name, value in given.items() if value)
    return (sys.executable, "-m", "sweeps", command, asked.name, *asked.axes, *own)


def _words(only: str | None, how: Options) -> Iterator[str]:
    """Return the options of what to compute and how, as `work` takes them."""
    if only is not None:
        yield f"--only={only}"
    for field in dataclasses.fields(how):
        name, value = field.name.removeprefix("n_").replace("_", "-"), getattr(how, field.name)
        if isinstance(value, bool) and value != field.default:
            yield f"--{name}" if value else f"--no-{name}"
        elif value != field.default:
            yield f"--{name}={value}"


def answer(made: Submission, sent: Sent | None) -> Answer:
    """Answer `submit`: the scripts, and what became of them or what to do with them."""
    data = {
        "experiment": made.experiment,
        "points": made.n_todo,
        "tasks": made.n_tasks,
        "folder": made.folder if made.n_tasks else None,
        "scripts": dict(made.scripts),
        "by_hand": made.by_hand,
        "job": sent.job if sent else None,
        "landing_job": sent.landing or None if sent else None,
    }
    if not made.n_tasks:
        return Answer(f"{made.experiment}: there is nothing to compute", data)
    head = f"{made.experiment}: {count(made.n_todo, 'point')} in {count(made.n_tasks, 'task')}"
    if sent is not None:
        after = f"; then job {sent.landing} lands" if sent.landing else ""
        logs = f"look: squeue -j {sent.job}; logs: {path(made.folder)}; end: scancel {sent.job}"
        return Answer(f"{head}: submitted job {sent.job}{after}\n{logs}", data)
    shown = [f"==> {path(made.folder / name)}\n{text}" for name, text in made.scripts.items()]
    how = f"--yes submits it, or: {made.by_hand}" if made.by_hand else "submit it as usual"
    return Answer("\n".join([*shown, f"{head}; nothing is submitted yet: {how}"]), data)
