"""The command that declares results of earlier code valid."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from sweeps.cli import options
from sweeps.cli.options import Answer, Asked
from sweeps.errors import SweepsError

if TYPE_CHECKING:
    from sweeps.memo.acceptance import Acceptance
    from sweeps.operations.accept import Vouched


@click.command("accept", short_help="Declare results of earlier code valid.")
@options.name
@options.axes
@options.from_
@options.new_default
@click.option("--reason", default="", metavar="TEXT", help="Why they are valid; it is stored.")
@click.option("--undo", is_flag=True, help="Make accepted results stale again.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@options.options
def command(
    asked: Asked,
    earlier: str | None,
    new_default: tuple[str, ...],
    reason: str,
    undo: bool,
    yes: bool,
) -> int:
    """Declare that results of earlier code of NAME are still valid.

    They then count as results of the present code. The results file records this, and your
    reason. Nothing is copied or deleted; --undo makes them stale again.

    If the earlier code did not have an argument, say which value it used in effect: with
    --new-default damping=0.0, its results count as results for damping=0.0.
    """
    from sweeps.declaration import overrides
    from sweeps.operations import accept

    sweep = asked.sweep()
    if undo:
        if new_default or reason:
            raise SweepsError(
                "--undo makes accepted results stale again: with it, give only --from"
            )
        asked.say(answer_of_undo(sweep.experiment.name, accept.undo(sweep, earlier)))
        return 0
    vouched, acceptance = accept.propose(sweep, earlier, reason, overrides.parse_all(new_default))
    is_sure = yes or _ask(f"accept {vouched}?")
    if is_sure:
        accept.vouch(sweep, acceptance)
    asked.say(answer(vouched, is_done=is_sure))
    return 0 if is_sure else 1


def _ask(question: str) -> bool:
    """Ask on a terminal; elsewhere nobody can answer."""
    if not sys.stdin.isatty():
        raise SweepsError(f"{question} There is no terminal to ask on: confirm with --yes")
    return click.confirm(question, err=True)


def answer(vouched: Vouched, *, is_done: bool) -> Answer:
    """Answer `accept`."""
    name = vouched.experiment
    text = (
        f"{name}: accepted {vouched}. Write them to the results file: python -m sweeps run {name}. "
        f"Undo: python -m sweeps accept {name} --undo"
    )
    data = {**vars(vouched), "accepted": is_done}
    return Answer(text if is_done else f"{name}: nothing accepted", data)


def answer_of_undo(name: str, undone: Sequence[Acceptance]) -> Answer:
    """Answer `accept --undo`."""
    listed = ", ".join(each.fingerprint for each in undone)
    return Answer(
        f"{name}: results of {listed} are no longer accepted; the next run writes the results "
        "file without them",
        {"experiment": name, "undone": list(map(vars, undone))},
    )
