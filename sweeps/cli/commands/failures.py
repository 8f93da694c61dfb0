"""The command that lists failed points."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from sweeps.cli import options
from sweeps.cli.options import Answer, Asked, warn
from sweeps.text import count, parameters

if TYPE_CHECKING:
    from sweeps.operations.failures import FailedPoint


@click.command("failures", short_help="Show which points failed, and why.")
@options.name
@options.axes
@options.only
@options.rows
@options.options
def command(asked: Asked, rows: int) -> None:
    """Show the failed points of NAME with their parameters, messages and tracebacks.

    Points that failed at the same line of code are listed together, with one traceback. With
    --json, each point has its own.
    """
    from sweeps.operations import failures

    made = asked.sweep()
    failed = failures.failures_of(made)
    asked.say(answer(failed, rows))
    if asked.as_json:
        return
    if not failed:
        n_shown, ran = failures.shown_elsewhere(made)
        if n_shown:
            warn(
                f"{made.landed} shows {count(n_shown, 'failed point')} of an earlier run: {ran}\n"
                "if that run had other values, give them here too; if the code has changed since, "
                "the next run computes these points again"
            )
    else:
        one = next((each for each in failed if each.kind == "exception"), failed[0])
        words, point = ("reproduce", asked.name, *asked.axes), str(one.position)
        warn(f"debug one of them: {asked.command_line(*words, point=point)} --pdb")


def answer(failed: Sequence[FailedPoint], n_rows: int) -> Answer:
    """Answer `failures`: at most `n_rows` points for each place in the code."""
    places: dict[tuple[str, ...], list[FailedPoint]] = {}
    for each in failed:
        places.setdefault(_place_in_code(each), []).append(each)
    blocks = [_failures_at_one_place(alike, n_rows) for alike in places.values()]
    text = "\n\n".join([*blocks, f"{count(len(failed), 'point')} failed"])
    return Answer(text, list(map(vars, failed)))


def _place_in_code(failed: FailedPoint) -> tuple[str, ...]:
    lines = failed.traceback.splitlines()
    return (failed.kind, failed.type, *(line for line in lines if line.startswith("  File ")))


def _failures_at_one_place(alike: Sequence[FailedPoint], n_rows: int) -> str:
    first = alike[0]
    lines = [f"{first.type} ({first.kind}) at {count(len(alike), 'point')}:"]
    for each in itertools.islice(alike, n_rows):
        again = f" ({each.attempts} attempts)" if each.attempts > 1 else ""
        said = f"{parameters(each.params)}: {' '.join(each.message.split())}{again}"
        left = f"; it has {each.checkpoint}" if each.checkpoint else ""
        lines.append(f"  point {each.position}: {said}{left}")
    if len(alike) > n_rows:
        lines.append(f"  and {len(alike) - n_rows:,} more (--rows N shows more)")
    if first.traceback:
        lines += [
            "",
            "  traceback of the first one:",
            *(f"    {x}" for x in first.traceback.splitlines()),
        ]
    return "\n".join(lines)
