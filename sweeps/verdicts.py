"""Verdicts: what `reproduce`, `rename` and `verify` say, as text and as data for ``--json``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sweeps.answers import Answer
from sweeps.display import count, duration, parameters, path, size, table

if TYPE_CHECKING:
    from sweeps.block import Array, Failure
    from sweeps.differences import Pair
    from sweeps.renaming import Renamed
    from sweeps.reporting import Status
    from sweeps.reproducing import Case, Reproduced
    from sweeps.verifying import Verified

_WIDTH = 40
_COUNTS = ("points", "done", "missing", "failed", "stale")


def beforehand(case: Case) -> list[str]:
    """What to say before the function is called."""
    before = case.stored.failure
    point = f"point {case.position}, {parameters(case.parameters)},"
    said = [
        f"passed over the damaged segment {bad}; a run sets it aside" for bad in case.stored.bad
    ]
    if before is not None and before.kind == "died":
        said.append(f"{point} ended its worker, and may end this process ({before.message})")
    if before is not None and before.kind == "timeout":
        said.append(f"{point} {before.message}, which is not enforced here: Ctrl-C ends it")
    return said


def reproduced(of: Reproduced, *, with_traceback: bool = True) -> Answer:
    """Answer `reproduce`."""
    case = of.case
    name = case.subject.experiment.name
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
    text = str(array) if array.dtype.kind == "M" else repr(array.item())
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
    if stored.values is None and stored.failure is None:
        return [f"nothing is stored of this point; it took {duration(of.seconds)}"]
    if stored.values is None:
        return [_of_failure(of, stored.failure)] if stored.failure is not None else []
    code = "by earlier code only" if stored.is_earlier else "by this code"
    lines = [f"the values stored, {code}, are {_verdict(of)}"]
    if not of.is_equal and of.raised is None and of.case.subject.experiment.vectorized:
        lines.append("(here it got columns of length 1: longer ones may round otherwise)")
    if stored.failure is not None:
        lines.append(f"they do not land: {stored.failure.message}")
    return lines


def _of_failure(of: Reproduced, before: Failure) -> str:
    code = "by earlier code" if of.case.stored.is_earlier else "before"
    if of.is_same_failure:
        return f"it failed {code} in the same way"
    how = "it did not now" if of.raised is None else "but otherwise"
    return f"it failed {code}, {how}: {before.type} ({before.kind}): {before.message}"


def _verdict(of: Reproduced) -> str:
    if of.raised is not None:
        return "not reproduced: it raises now"
    return "equal to the last bit" if of.is_equal else "different"


def _data(of: Reproduced) -> dict[str, Any]:
    case, stored = of.case, of.case.stored
    return {
        "experiment": case.subject.experiment.name,
        "position": case.position,
        "params": case.parameters,
        "seconds": of.seconds,
        "equal": of.is_equal,
        "outputs": [_output(each) for each in of.compared],
        "raised": None if of.raised is None else _failure(*of.raised),
        "stored": {
            "kind": _kind(case),
            "earlier_code": stored.is_earlier,
            "failure": None if stored.failure is None else _stored_failure(stored.failure),
        },
    }


def _kind(case: Case) -> str | None:
    if case.stored.values is not None:
        return "values"
    return None if case.stored.failure is None else "failure"


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
    """A single value as it is, and of an array what it is."""
    if array is None:
        return None
    if array.ndim:
        return {"dtype": _dtype(array), "shape": array.shape}
    return str(array) if array.dtype.kind == "M" else array.item()


def _stored_failure(of: Failure) -> dict[str, Any]:
    return {**_failure(of.kind, of.type, of.message, of.traceback), "attempts": of.attempts}


def _failure(kind: str, type_: str, message: str, traceback: str) -> dict[str, Any]:
    return {"kind": kind, "type": type_, "message": message, "traceback": traceback}


def renamed(of: Renamed, status: Status) -> Answer:
    """Answer `rename`."""
    place = path(of.results) if of.results.exists() else "(no results file yet)"
    lines = [
        f"{of.old} → {of.new}: {count(status.points, 'point')}: {status.done:,} done, "
        f"{status.missing:,} missing, {status.failed:,} failed, {status.stale:,} stale → {place}"
    ]
    if status.stale:
        which = "all results are" if not status.done + status.failed else "some results are only"
        lines.append(
            f"{which} of other code than {of.new!r} has now: python -m sweeps why {of.new} says "
            f"what differs, python -m sweeps accept {of.new} declares them valid"
        )
    if of.results.exists() and not of.is_landed:
        lines.append(f"{place} is as it was, with the old name inside: the next run lands it anew")
    counts = {name: getattr(status, name) for name in _COUNTS}
    data = {
        "old": of.old,
        "new": of.new,
        **counts,
        "results": of.results,
        "landed": of.is_landed,
        "left": of.left,
    }
    return Answer("\n".join(lines), data)


def verified(of: Verified) -> Answer:
    """Answer `verify`."""
    landed = "results file and " if of.is_landed else ""
    is_whole = f"{len(of.damages):,} not whole" if of.damages else "all whole"
    lines = [f"{of.experiment}: {landed}{count(of.n_segments, 'segment')}: {is_whole}"]
    lines[0] += f", {size(of.n_bytes)}" if not of.damages else ""
    lines += [f"{each.kind} {each.state}, {path(each.path)}: {each.reason}" for each in of.damages]
    data = {
        "experiment": of.experiment,
        "results": of.results if of.is_landed else None,
        "segments": of.n_segments,
        "bytes": of.n_bytes,
        "whole": not of.damages,
        "damages": list(map(vars, of.damages)),
    }
    return Answer("\n".join(lines), data)
