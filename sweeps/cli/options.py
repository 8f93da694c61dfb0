"""What all commands share: their arguments, the sweep that they ask for, and printing an answer."""

from __future__ import annotations

import functools
import gc
import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from sweeps.cli.output import printing_to_stderr, warn

if TYPE_CHECKING:
    from sweeps.project.sweep import Sweep


Command = Callable[..., int | None]

from_ = click.option(
    "--from", "earlier", metavar="FINGERPRINT", help="Earlier code; its first digits will do."
)

new_default = click.option(
    "--new-default",
    multiple=True,
    metavar="ARGUMENT=VALUE",
    help="Results are from before this argument, and as those of this value of it.",
)


def options(command: Command) -> Command:
    """Give a command the options that all have; with --json nothing but its answer is on stdout."""
    command = _alone_on_stdout(command)
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


def _alone_on_stdout(command: Command) -> Command:
    @functools.wraps(command)
    def answer(**given: Any) -> int | None:
        with printing_to_stderr(given["as_json"]):
            return command(**given)

    return answer


name = click.argument("name")

axes = click.argument("axes", nargs=-1, metavar="[AXIS=VALUES]...")


def _all_of(context: click.Context, option: click.Parameter, given: tuple[str, ...]) -> str | None:
    """Join several conditions to one: points must meet all of them."""
    if len(given) < 2:
        return given[0] if given else None
    return " and ".join(f"({text})" for text in given)


only = click.option(
    "--only",
    multiple=True,
    callback=_all_of,
    metavar="CONDITION",
    help="Only points that meet it: 'length<0.5 and method==\"rk4\"'.",
)

output = click.option(
    "--output", metavar="FILE", help="Land in this file instead [results/NAME.h5]."
)

rows = click.option(
    "--rows", default=10, type=click.IntRange(min=0), metavar="N", help="Rows of a table [10]."
)


def sweep(
    name: str,
    experiments: str | None,
    results: str | None,
    axes: tuple[str, ...] = (),
    only: str | None = None,
    output: str | None = None,
) -> Sweep:
    """Resolve what a command is about."""
    from sweeps.declaration import overrides
    from sweeps.project.sweep import resolve
    from sweeps.results import state

    _freeze()
    given = overrides.parse_all(axes)
    found = resolve(name, results=results, experiments=experiments, axes=given, only=only)
    return state.elsewhere(found, output)


@functools.cache
def _freeze() -> None:
    """Take what numpy and h5py have made out of the search for garbage; there is none.

    As it exits, Python searches again and again, for 30 ms. What the user's code makes is not
    frozen: it may be open files. Once a process: later there is garbage, which would stay.
    """
    gc.freeze()


def command_line(*words: str, **options: str | None) -> str:
    """A command line to give as advice, with the options of this one."""
    given = [f"--{name}={value}" for name, value in options.items() if value]
    return shlex.join(["python", "-m", "sweeps", *words, *given])


def advise_on_stale(n_stale: int, name: str, experiments: str | None, results: str | None) -> None:
    """Say who knows why points are stale."""
    if n_stale:
        why = command_line("why", name, experiments=experiments, results=results)
        warn(f"what changed since: {why}")
