"""What commands share: arguments and options, the sweep, and advice."""

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
    "--from",
    "earlier",
    metavar="FINGERPRINT",
    help="Earlier code: its fingerprint, or the first digits.",
)

new_default = click.option(
    "--new-default",
    multiple=True,
    metavar="ARGUMENT=VALUE",
    help="Treat results from before this argument existed as if it had this value.",
)


def options(command: Command) -> Command:
    """Give a command the common options; with --json, only its answer goes to stdout."""
    command = _alone_on_stdout(command)
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON."),
        click.option(
            "--results", metavar="DIR", help="Results folder [$SWEEPS_RESULTS, or results]."
        ),
        click.option(
            "--experiments",
            metavar="PATH",
            help="Folder, file or module of experiments [$SWEEPS_EXPERIMENTS, or experiments].",
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
    """Join several conditions: points must meet all of them."""
    if len(given) < 2:
        return given[0] if given else None
    return " and ".join(f"({text})" for text in given)


only = click.option(
    "--only",
    multiple=True,
    callback=_all_of,
    metavar="CONDITION",
    help="Only points that meet this condition: 'length<0.5 and method==\"rk4\"'.",
)

output = click.option(
    "--output", metavar="FILE", help="Write this file instead of results/NAME.h5."
)

rows = click.option(
    "--rows", default=10, type=click.IntRange(min=0), metavar="N", help="Rows of a table [10]."
)

workers = click.option(
    "-j",
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Number of workers [one per core].",
)

engine = click.option(
    "--engine", default="loky", metavar="NAME", help="loky, serial or threads [loky]."
)


def sweep(
    name: str,
    experiments: str | None,
    results: str | None,
    axes: tuple[str, ...] = (),
    only: str | None = None,
    output: str | None = None,
) -> Sweep:
    """Find the experiment, with the axes, condition and folders of the command."""
    from sweeps.declaration import overrides
    from sweeps.project.sweep import resolve
    from sweeps.results import state

    _freeze()
    given = overrides.parse_all(axes)
    found = resolve(name, results=results, experiments=experiments, axes=given, only=only)
    return state.elsewhere(found, output)


@functools.cache
def _freeze() -> None:
    """Exclude the objects of numpy and h5py from garbage collection; none of them is garbage.

    Otherwise Python collects again and again while it exits, which takes 30 ms. It happens before
    user code is imported, whose objects may be open files, and once a process: a later call would
    keep garbage alive.
    """
    gc.freeze()


def command_line(*words: str, **options: str | None) -> str:
    """A command line to show as advice, with options of the present one."""
    given = [f"--{name}={value}" for name, value in options.items() if value]
    return shlex.join(["python", "-m", "sweeps", *words, *given])


def advise_on_stale(n_stale: int, name: str, experiments: str | None, results: str | None) -> None:
    """Show which command explains why points are stale."""
    if n_stale:
        why = command_line("why", name, experiments=experiments, results=results)
        warn(f"see what changed: {why}")
