"""Commands about which results can be trusted: why they are stale, and whether they need be."""

from __future__ import annotations

import dataclasses
import sys

import click

from sweeps import answers
from sweeps.commands import common
from sweeps.errors import SweepsError

_from = click.option(
    "--from", "earlier", metavar="FINGERPRINT", help="Earlier code; its first digits will do."
)
_new_default = click.option(
    "--new-default",
    multiple=True,
    metavar="ARGUMENT=VALUE",
    help="Results are from before this argument, and as those of this value of it.",
)


@click.command(short_help="Say what changed since results were computed.")
@common.name
@common.axes
@_from
@common.options
def why(
    name: str,
    axes: tuple[str, ...],
    earlier: str | None,
    experiments: str | None,
    results: str | None,
    as_json: bool,
) -> None:
    """Say why points of NAME are stale or missing: what changed since they were computed.

    Shown are the functions, classes and constants that changed, with their source then and now,
    data files, constants, and the versions of packages, which make nothing stale.
    """
    from sweeps import explaining

    found = explaining.explain(common.subject(name, experiments, results, axes), earlier)
    common.say(answers.Answer(str(found), dataclasses.asdict(found)), as_json)


@click.command(short_help="Declare results of earlier code valid.")
@common.name
@common.axes
@_from
@_new_default
@click.option("--reason", default="", metavar="TEXT", help="Why they are valid; is kept.")
@click.option("--undo", is_flag=True, help="Take it back.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@common.options
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
    from sweeps import overrides, vouching

    subject = common.subject(name, experiments, results, axes)
    if undo:
        if new_default or reason:
            raise SweepsError("--undo takes back what was accepted: give --from at most beside it")
        taken_back = vouching.undo(subject, earlier)
        common.say(answers.undone(subject.experiment.name, taken_back), as_json)
        return 0
    vouched, acceptance = vouching.propose(
        subject, earlier, reason, overrides.parse_all(new_default)
    )
    is_sure = yes or _ask(f"accept {vouched}?")
    if is_sure:
        vouching.vouch(subject, acceptance)
    common.say(answers.accepted(vouched, is_done=is_sure), as_json)
    return 0 if is_sure else 1


def _ask(question: str) -> bool:
    """Ask on a terminal; elsewhere there is nobody to be sure."""
    if not sys.stdin.isatty():
        raise SweepsError(f"{question} There is no terminal to ask on: say so by --yes")
    return click.confirm(question, err=True)


@click.command(short_help="Compare results of two versions of the code.")
@common.name
@common.axes
@_from
@click.option(
    "--with", "beside", metavar="FINGERPRINT", help="Other earlier code [the present code]."
)
@_new_default
@click.option(
    "--sample",
    "n_sample",
    default=100,
    type=click.IntRange(min=1),
    metavar="N",
    help="Compare at most N points [100].",
)
@click.option("-j", "--workers", type=click.IntRange(min=1), metavar="N", help="As of run.")
@click.option("--engine", default="loky", metavar="NAME", help="As of run [loky].")
@common.options
def diff(
    name: str,
    axes: tuple[str, ...],
    earlier: str | None,
    beside: str | None,
    new_default: tuple[str, ...],
    n_sample: int,
    workers: int | None,
    engine: str,
    experiments: str | None,
    results: str | None,
    as_json: bool,
) -> int:
    """Compare what earlier code of NAME computed with what the present code computes.

    Points that both know are compared, and else up to N points are computed anew, and kept. For
    each output the largest differences are told, and whether all values are equal.

    Exit codes: 0 all values are equal, 1 some differ, 2 a mistake in what was asked.
    """
    from sweeps import comparing, overrides, progress
    from sweeps.invocation import Options

    subject = common.subject(name, experiments, results, axes)
    watcher = progress.Watcher(subject.experiment.name)
    try:
        found = comparing.compare(
            subject,
            earlier,
            beside=beside,
            n_sample=n_sample,
            new_defaults=overrides.parse_all(new_default),
            options=Options(engine, workers),
            watch=watcher,
        )
    finally:
        watcher.close()
    common.say(answers.Answer(str(found), dataclasses.asdict(found)), as_json)
    return 0 if found.is_exact else 1


COMMANDS = (why, accept, diff)
