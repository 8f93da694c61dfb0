"""The command that shows how many points are done."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from sweeps.cli import options
from sweeps.cli.options import INTERRUPTED, Answer, Asked, warn
from sweeps.text import path, table

if TYPE_CHECKING:
    from sweeps.operations.status import Status
    from sweeps.operations.watch import Look

_EVERY_S = 2.0

_WATCH = "--watch"


class _Command(click.Command):
    """The command, whose option --watch may have a number of seconds behind it, or none."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Give --watch its default where no number follows."""
        for at, word in enumerate(args):
            if word == _WATCH and not _is_number("".join(args[at + 1 : at + 2])):
                args = [*args[:at], f"{_WATCH}={_EVERY_S:g}", *args[at + 1 :]]
        return super().parse_args(ctx, args)


def _is_number(word: str) -> bool:
    with contextlib.suppress(ValueError):
        float(word)
        return True
    return False


def _pause(ctx: click.Context, option: click.Parameter, value: float | None) -> float | None:
    """Refuse "nan", which click takes for a number in any range."""
    if value is not None and math.isnan(value):
        raise click.BadParameter("give a number of seconds")
    return value


@click.command("status", cls=_Command, short_help="Show how many points are done.")
@click.argument("name", default="", shell_complete=options.completed("names"))
@click.option(
    _WATCH,
    "every_s",
    type=click.FloatRange(min=0.1, max=86400),
    callback=_pause,
    metavar="[SECONDS]",
    help=f"Look again every SECONDS, until all points are over [{_EVERY_S:g}].",
)
@options.options
def command(asked: Asked, every_s: float | None) -> int | None:
    """Show how many points of NAME, or of each experiment, are done, missing, failed or stale.

    Also: points known in any space, points in the results file, and runs under way on any machine
    that shares the folder of results.

    --watch draws bars until all points are done or failed, or you press Ctrl-C. In a pipe it prints
    a line for each change, with --json as an object.

    Exit codes: 0, 2 a mistake, 130 interrupted.
    """
    from sweeps.operations import status

    source = click.get_current_context().get_parameter_source("name")
    is_one = source is not ParameterSource.DEFAULT  # an empty name is one that is not valid
    if every_s is not None:
        return _watch(asked, every_s, is_one=is_one)
    if is_one:
        row = status.status_of(asked.sweep())
        asked.say(answer(row))
        asked.advise_on_stale(row.stale)
        return None
    rows, problems = status.statuses(asked.experiments, asked.results)
    asked.say(answer_of_all(rows))
    for problem in problems:
        warn(f"warning: {problem}")
    return None


def _watch(asked: Asked, every_s: float, *, is_one: bool) -> int:
    from sweeps.cli import watching
    from sweeps.operations import status
    from sweeps.operations.watch import Watch

    if is_one:
        sweeps, problems = [asked.sweep()], list[str]()
    else:
        sweeps, problems = status.sweeps(asked.experiments, asked.results)
    for problem in problems:
        warn(f"warning: {problem}")
    looks = watching.follow([Watch(each) for each in sweeps], every_s)
    try:
        if watching.is_terminal() and not asked.as_json:
            watching.draw(looks)
            return 0
        for look in watching.changed(looks):
            if not asked.say(_line(look), is_line=True):
                break
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def _line(look: Look) -> Answer:
    from sweeps.cli import watching

    return Answer(watching.line(look), {**_data(look.status), **watching.data(look)})


def answer(row: Status) -> Answer:
    """Answer `status NAME`."""
    text, (data,) = answer_of_all([row])
    return Answer(text, data)


def answer_of_all(rows: Sequence[Status]) -> Answer:
    """Answer `status`."""
    columns = ["experiment", "points", "done", "missing", "failed", "stale", "known", "landed"]
    header = [*columns, "results"]
    shown = [(*(getattr(r, each) for each in columns), _place(Path(r.results))) for r in rows]
    runs = [f"{r.experiment}: {each}" for r in rows for each in (*r.running, *r.silent)]
    left = [f"{r.experiment}: {r.left}" for r in rows if r.left]
    return Answer("\n".join([table(header, shown), *runs, *left]), list(map(_data, rows)))


def _data(row: Status) -> dict[str, Any]:
    runs = {name: [each.data() for each in getattr(row, name)] for name in ("running", "silent")}
    return {**vars(row), **runs}


def _place(results: Path) -> str:
    return path(results) if results.exists() else "(none yet)"
