"""The command that computes one point here and now, for debugging."""

from __future__ import annotations

import contextlib
import faulthandler
import io
import os
import traceback
from collections.abc import Iterator

import click

from sweeps import verdicts
from sweeps.commands import common


@click.command(short_help="Compute one point here, beside what is stored.")
@common.name
@click.argument("axes", nargs=-1, metavar="[AXIS=VALUE]...")
@click.option("--point", type=int, metavar="N", help="Number of the point, as `failures` shows it.")
@click.option("--pdb", is_flag=True, help="Debug what the function raises.")
@common.options
def reproduce(
    name: str,
    axes: tuple[str, ...],
    point: int | None,
    pdb: bool,
    experiments: str | None,
    results: str | None,
    as_json: bool,
) -> int:
    """Compute one point of NAME in this process, and show its values beside the stored ones.

    AXIS=VALUE, once for each parameter by which points differ, says which: length=0.3 method=rk4.
    A constant gets another value, as in a run. With --point, N counts the points of a run with the
    same AXIS=VALUES, as `failures` does.

    The function gets the arguments and random numbers that a worker gives it. A timeout is not
    enforced, and nothing is kept.

    Exit codes: 0 it ran, and the values are equal to the last bit or none were stored; 1 it raised
    or they differ; 2 a mistake in what was asked.
    """
    from sweeps import finding, overrides, pointing, reproducing, subject

    given = overrides.parse_all(axes)
    declared = finding.find(name, experiments).experiment
    if point is None:
        experiment, position = pointing.at_values(declared, given)
    else:
        experiment, position = pointing.at_position(declared, given, point)
    case = reproducing.case(subject.resolve(experiment, results=results), position)
    for warning in verdicts.beforehand(case):
        common.warn(f"warning: {warning}")
    with _crashes_shown():
        came = reproducing.reproduce(case, _debug if pdb else None)
    for warning in came.warnings:
        common.warn(f"warning: {warning}")
    common.say(verdicts.reproduced(came, with_traceback=not pdb), as_json)
    return 1 if came.raised is not None or came.is_equal is False else 0


@contextlib.contextmanager
def _crashes_shown() -> Iterator[None]:
    """Have a crash in C code say where it happened."""
    if not faulthandler.is_enabled():
        with contextlib.suppress(io.UnsupportedOperation, OSError, ValueError):
            faulthandler.enable()
    yield


def _debug(error: BaseException) -> None:
    """Open a debugger where an exception was raised: that of PYTHONBREAKPOINT, if it can."""
    import pdb

    traceback.print_exception(error)
    if error.__traceback__ is None:  # the call itself failed
        common.warn("nothing to debug: the function was not entered")
        return
    module = os.environ.get("PYTHONBREAKPOINT", "").rpartition(".")[0]
    other = None
    if module:
        with contextlib.suppress(ImportError):
            other = __import__(module, fromlist=["post_mortem"])
    getattr(other, "post_mortem", pdb.post_mortem)(error.__traceback__)


COMMANDS = (reproduce,)
