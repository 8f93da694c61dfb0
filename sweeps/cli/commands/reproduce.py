"""The command that computes one point in this process, for debugging."""

from __future__ import annotations

import contextlib
import faulthandler
import io
import os
import traceback
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from sweeps.cli import options
from sweeps.cli.options import Answer, Asked, warn
from sweeps.text import duration, parameters, table

if TYPE_CHECKING:
    from sweeps.history.differences import Pair
    from sweeps.operations.reproduce import Case, Reproduced
    from sweeps.outputs.failures import Failure
    from sweeps.storage.hdf5 import Array


_WIDTH = 40


@click.command("reproduce", short_help="Compute one point in this process, to debug it.")
@options.name
@click.argument(
    "axes", nargs=-1, metavar="[AXIS=VALUE]...", shell_complete=options.completed("axes")
)
@click.option("--point", type=int, metavar="N", help="Number of the point, as `failures` shows it.")
@click.option("--pdb", is_flag=True, help="Open the debugger where the function raises.")
@options.options
def command(asked: Asked, point: int | None, pdb: bool) -> int:
    """Compute one point of NAME in this process, and compare its values with the stored ones.

    To choose the point, give AXIS=VALUE for each parameter that varies: length=0.3 method=rk4; or
    give --point N, which counts the points of a run with the same AXIS=VALUES, as `failures` does.
    AXIS=VALUE of a constant changes its value, as in `run`.

    The function gets the same arguments and random numbers as in a worker. There is no timeout,
    and nothing is stored.

    Exit codes: 0 the values are equal to the last bit, or none were stored; 1 the function raised
    or the values differ; 2 a mistake in the command or the experiment.
    """
    from sweeps.declaration import overrides
    from sweeps.declaration import point as points
    from sweeps.operations import reproduce
    from sweeps.project import discovery, sweep

    given = overrides.parse_all(asked.axes)
    declared = discovery.find(asked.name, asked.experiments).experiment
    if point is None:
        experiment, position = points.at_values(declared, given)
    else:
        experiment, position = points.at_position(declared, given, point)
    case = reproduce.case(sweep.resolve(experiment, results=asked.results), position)
    for warning in cautions(case):
        warn(f"warning: {warning}")
    with _crashes_shown():
        done = reproduce.reproduce(case, _debug if pdb else None)
    for warning in done.warnings:
        warn(f"warning: {warning}")
    asked.say(answer(done, with_traceback=not pdb))
    return 1 if done.raised is not None or done.is_equal is False else 0


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
        warn("nothing to debug: the function was not called")
        return
    module = os.environ.get("PYTHONBREAKPOINT", "").rpartition(".")[0]
    other = None
    if module:
        with contextlib.suppress(ImportError):
            other = __import__(module, fromlist=["post_mortem"])
    getattr(other, "post_mortem", pdb.post_mortem)(error.__traceback__)


def cautions(case: Case) -> list[str]:
    """What you should know before the function is called."""
    before = case.stored.failure
    point = f"point {case.position}, {parameters(case.parameters)},"
    said = [f"skipped the damaged file {bad}; a run sets it aside" for bad in case.stored.bad]
    if before is not None and before.kind == "died":
        said.append(f"{point} killed its worker and may kill this process ({before.message})")
    if before is not None and before.kind == "timeout":
        said.append(f"{point} {before.message}; here there is no timeout: Ctrl-C stops it")
    return said


def answer(of: Reproduced, *, with_traceback: bool = True) -> Answer:
    """Answer `reproduce`."""
    case = of.case
    name = case.sweep.experiment.name
    blocks = [f"{name}, point {case.position}: {parameters(case.parameters)}"]
    if of.compared:
        n_columns = 2 if case.stored.values is None else 4
        header = ["output", "now", "stored", "difference"][:n_columns]
        blocks.append(table(header, [_row(each)[:n_columns] for each in of.compared]))
    if of.raised is not None:
        kind, type_, message, traceback = of.raised
        is_shown = with_traceback and traceback
        blocks.append(traceback.rstrip() if is_shown else f"{type_} ({kind}): {message}")
    blocks.append("\n".join(_conclusions(of)))
    return Answer("\n\n".join(blocks), _data(of))


def _row(of: Pair) -> tuple[str, str, str, str]:
    return of.name, _shown(of.now), _shown(of.stored), _difference(of)


def _shown(array: Array | None) -> str:
    """Show a value, or of an array what it is."""
    if array is None:
        return "none"
    if array.ndim:
        return f"{_dtype(array)} {array.shape}"
    from sweeps.storage import kinds

    text = kinds.of(array.dtype).text(array)
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"


def _dtype(array: Array) -> str:
    return "str" if array.dtype == object else str(array.dtype)


def _difference(of: Pair) -> str:
    if of.is_equal:
        return "equal"
    if of.now is None or of.stored is None:
        return ""
    if of.now.shape != of.stored.shape:
        return "another shape"
    if not of.n_differing:
        return f"{_dtype(of.now)} instead of {_dtype(of.stored)}"
    sizes = [f"{of.absolute:.3g}"] if of.absolute is not None else []
    sizes += [f"relative {of.relative:.3g}"] if of.relative is not None else []
    many = f"{of.n_differing:,} of {of.now.size:,} values, " if of.now.ndim else ""
    return f"{many}{', '.join(sizes) or 'differs'}"


def _conclusions(of: Reproduced) -> list[str]:
    stored = of.case.stored
    if stored.values is None:
        if stored.failure is not None:
            return [_of_failure(of, stored.failure)]
        return [f"no values are stored for this point; it took {duration(of.seconds)}"]
    code = "earlier code" if stored.is_earlier else "this code"
    lines = [f"the stored values (of {code}) are {_verdict(of)}"]
    if not of.is_equal and of.raised is None and of.case.sweep.experiment.vectorized:
        lines.append(
            "(here the function got columns of length 1; longer columns may round differently)"
        )
    if stored.failure is not None:
        lines.append(f"they are not in the results file: {stored.failure.message}")
    return lines


def _of_failure(of: Reproduced, before: Failure) -> str:
    code = "with earlier code" if of.case.stored.is_earlier else "before"
    if of.is_same_failure:
        return f"it failed {code} in the same way"
    how = "but does not fail now" if of.raised is None else "but differently"
    return f"it failed {code}, {how}: {before.type} ({before.kind}): {before.message}"


def _verdict(of: Reproduced) -> str:
    if of.raised is not None:
        return "not reproduced: the function raises now"
    return "equal to the last bit" if of.is_equal else "different"


def _data(of: Reproduced) -> dict[str, Any]:
    case, stored = of.case, of.case.stored
    kind = None if stored.failure is None else "failure"
    failure = None if stored.failure is None else _failure(stored.failure)
    return {
        "experiment": case.sweep.experiment.name,
        "position": case.position,
        "params": case.parameters,
        "seconds": of.seconds,
        "equal": of.is_equal,
        "outputs": [_output(each) for each in of.compared],
        "raised": None if of.raised is None else of.raised._asdict(),
        "stored": {
            "kind": kind if stored.values is None else "values",
            "earlier_code": stored.is_earlier,
            "failure": failure,
        },
    }


def _output(of: Pair) -> dict[str, Any]:
    return {
        "name": of.name,
        "now": _value(of.now),
        "stored": _value(of.stored),
        "equal": of.is_equal,
        "differing": of.n_differing,
        "absolute": of.absolute,
        "relative": of.relative,
    }


def _value(array: Array | None) -> Any:
    """A single value as it is; for an array, its dtype and shape."""
    if array is None:
        return None
    if array.ndim:
        return {"dtype": _dtype(array), "shape": array.shape}
    return str(array) if array.dtype.kind in "mM" else array.item()


def _failure(of: Failure) -> dict[str, Any]:
    names = ("kind", "type", "message", "traceback", "attempts")
    return {name: getattr(of, name) for name in names}
