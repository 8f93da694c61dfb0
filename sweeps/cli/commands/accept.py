"""The command that declares results of earlier code valid."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from sweeps.cli import options, output
from sweeps.cli.options import from_, new_default
from sweeps.cli.output import Answer
from sweeps.errors import SweepsError

if TYPE_CHECKING:
    from sweeps.memo.acceptance import Acceptance
    from sweeps.operations.accept import Vouched


@click.command(short_help="Declare results of earlier code valid.")
@options.name
@options.axes
@from_
@new_default
@click.option("--reason", default="", metavar="TEXT", help="Why they are valid; is kept.")
@click.option("--undo", is_flag=True, help="Take it back.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@options.options
def accept(
    name: str,
    axes: tuple[str, ...],
    earlier: str | None,
    new_default: tuple[str, ...],
    reason: str,
    undo: bool,
    yes: bool,
    experiments: str | None,
    results: str | None,
    as_json: bool,
) -> int:
    """Declare that results of earlier code of NAME are those of the present code.

    They count from now on, and the results file says that they do, and the reason. Nothing is
    copied or lost; --undo makes them stale again.

    For an argument that the earlier code did not have: --new-default damping=0.0 says that it
    computed what the present code computes for this value.
    """
    from sweeps.declaration import overrides
    from sweeps.operations import accept as operations_accept

    sweep = options.sweep(name, experiments, results, axes)
    if undo:
        if new_default or reason:
            raise SweepsError("--undo takes back what was accepted: give --from at most beside it")
        taken_back = operations_accept.undo(sweep, earlier)
        output.say(undone(sweep.experiment.name, taken_back), as_json)
        return 0
    vouched, acceptance = operations_accept.propose(
        sweep, earlier, reason, overrides.parse_all(new_default)
    )
    is_sure = yes or _ask(f"accept {vouched}?")
    if is_sure:
        operations_accept.vouch(sweep, acceptance)
    output.say(accepted(vouched, is_done=is_sure), as_json)
    return 0 if is_sure else 1


def _ask(question: str) -> bool:
    """Ask on a terminal; elsewhere there is nobody to be sure."""
    if not sys.stdin.isatty():
        raise SweepsError(f"{question} There is no terminal to ask on: say so by --yes")
    return click.confirm(question, err=True)


def accepted(vouched: Vouched, *, is_done: bool) -> Answer:
    """Answer `accept`."""
    name = vouched.experiment
    text = (
        f"{name}: {vouched} count for the present code; land them: python -m sweeps run {name}; "
        f"take it back: python -m sweeps accept {name} --undo"
    )
    data = {**vars(vouched), "accepted": is_done}
    return Answer(text if is_done else f"{name}: nothing accepted", data)


def undone(name: str, taken_back: Sequence[Acceptance]) -> Answer:
    """Answer `accept --undo`."""
    listed = ", ".join(each.fingerprint for each in taken_back)
    return Answer(
        f"{name}: results of {listed} do not count any more; the next run lands without them",
        {"experiment": name, "undone": list(map(vars, taken_back))},
    )
