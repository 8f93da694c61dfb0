"""The command that shows what a run would do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sweeps.cli import options
from sweeps.cli.options import Answer, Asked, warn
from sweeps.text import count

if TYPE_CHECKING:
    from sweeps.operations.status import Planned


@click.command("plan", short_help="Show what a run would compute.")
@options.name
@options.axes
@options.only
@click.option("--recompute", is_flag=True, help="Plan as if no point had results.")
@options.workers
@options.options
def command(asked: Asked, recompute: bool, workers: int | None) -> None:
    """Show what a run of NAME would compute, and what it will cost; nothing is computed.

    Time and disk are predicted from points that are known, once there are some. The memory of a
    worker is the most that one has had in earlier runs that took a while.

    Stale points are those that only earlier code has computed.
    """
    from sweeps.operations import status

    sweep = asked.sweep()
    planned = status.planned(sweep, recompute=recompute, n_workers=workers)
    for each in planned.unwatched:
        warn(each)
    asked.say(answer(planned))
    asked.advise_on_stale(planned.stale)


def answer(plan: Planned) -> Answer:
    """Answer `plan`."""
    return Answer(
        f"{plan.experiment}: {count(plan.points, 'point')}: {plan.reused:,} reused, "
        f"{plan.missing:,} missing, {plan.failed:,} failed, {plan.stale:,} stale"
        + (f"\n{plan.prediction}" if plan.prediction is not None else "")
        + "".join(f"\nnote: {note}" for note in plan.notes),
        {**vars(plan), "prediction": None if plan.prediction is None else plan.prediction.data()},
    )
