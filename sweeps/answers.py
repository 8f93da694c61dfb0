"""Answers: what each command says, as text for people and as data for ``--json``."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sweeps.display import count, duration, parameters, path, size, table

if TYPE_CHECKING:
    from sweeps.acceptance import Acceptance
    from sweeps.cleaning import Waste
    from sweeps.invocation import Report
    from sweeps.relanding import Landed
    from sweeps.reporting import FailedPoint, Listed, Planned, PrintedPoint, Status
    from sweeps.showing import Statistics, Summary, View
    from sweeps.vouching import Vouched

_CELL_WIDTH = 40


class Answer(NamedTuple):
    """One answer in both forms."""

    text: str
    data: Any


def listed(rows: Sequence[Listed]) -> Answer:
    """Answer `list`: a name that stands in two modules is shown with its module."""
    n_named = Counter(row.name for row in rows)
    shown = [
        (
            row.name if n_named[row.name] == 1 else f"{row.module}.{row.name}",
            row.points,
            row.summary if row.error is None else f"error: {row.error}",
        )
        for row in rows
    ]
    none = "no experiments yet; make one by: python -m sweeps new NAME"
    return Answer(
        table(["name", "points", "about"], shown) if rows else none, list(map(vars, rows))
    )


def planned(plan: Planned) -> Answer:
    """Answer `plan`."""
    return Answer(
        f"{plan.experiment}: {count(plan.points, 'point')}: {plan.reused:,} reused, "
        f"{plan.missing:,} missing, {plan.failed:,} failed, {plan.stale:,} stale"
        + "".join(f"\nnote: {note}" for note in plan.notes),
        vars(plan),
    )


def ran(report: Report) -> Answer:
    """Answer `run`; points left are those that an interrupt or a limit kept from being computed."""
    n_left = report.n_points - report.n_computed - report.n_reused - report.n_failed
    left = f", {n_left:,} left" if n_left > 0 else ""
    text = (
        f"{report.experiment}: {count(report.n_points, 'point')}: {report.n_computed:,} computed, "
        f"{report.n_reused:,} reused, {report.n_failed:,} failed{left} in "
        f"{duration(report.seconds)} → {path(report.results)}"
    )
    data = {
        "experiment": report.experiment,
        "points": report.n_points,
        "reused": report.n_reused,
        "computed": report.n_computed,
        "failed": report.n_failed,
        "excluded": report.n_excluded,
        "seconds": report.seconds,
        "results": report.results,
        "fingerprint": report.fingerprint,
    }
    return Answer(text, data)


def landed(landed: Landed) -> Answer:
    """Answer `land`."""
    n_missing = landed.n_points - landed.n_done - landed.n_failed
    text = (
        f"{landed.experiment}: {count(landed.n_points, 'point')}: {landed.n_done:,} done, "
        f"{landed.n_failed:,} failed, {n_missing:,} missing → {path(Path(landed.results))}"
    )
    data = {
        "experiment": landed.experiment,
        "points": landed.n_points,
        "done": landed.n_done,
        "failed": landed.n_failed,
        "missing": n_missing,
        "known": landed.n_known,
        "results": landed.results,
    }
    return Answer(text, data)


def status(row: Status) -> Answer:
    """Answer `status NAME`."""
    text, (data,) = statuses([row])
    return Answer(text, data)


def statuses(rows: Sequence[Status]) -> Answer:
    """Answer `status`."""
    columns = ["experiment", "points", "done", "missing", "failed", "stale", "known", "landed"]
    header = [*columns, "results"]
    shown = [(*(getattr(r, each) for each in columns), _place(Path(r.results))) for r in rows]
    going_on = [f"{r.experiment}: {each}" for r in rows for each in r.running]
    data = [{**vars(r), "running": [each.data() for each in r.running]} for r in rows]
    return Answer("\n".join([table(header, shown), *going_on]), data)


def _place(results: Path) -> str:
    return path(results) if results.exists() else "(none yet)"


def failures(failed: Sequence[FailedPoint], n_rows: int) -> Answer:
    """Answer `failures`: what failed at the same place of the code together, at most `n_rows`."""
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
        lines.append(f"  point {each.position}: {said}")
    if len(alike) > n_rows:
        lines.append(f"  and {len(alike) - n_rows:,} more; --rows N shows more")
    if first.traceback:
        lines += ["", "  the first one:", *(f"    {x}" for x in first.traceback.splitlines())]
    return "\n".join(lines)


def printed(found: Sequence[PrintedPoint]) -> Answer:
    """Answer `printed`: each line with its point in front."""
    from sweeps.printed import lines as lines_of

    lines = []
    for each in found:
        prefix = parameters(each.params)
        own = "\n".join(": ".join(text.rpartition("\n")[::-2]) for text in each.warnings)
        lines += [f"{prefix}: {line}" for text in (each.printed, own) for line in lines_of(text)]
    return Answer("\n".join(lines) or "no point has printed anything", list(map(vars, found)))


def shown(name: str, view: View) -> Answer:
    """Answer `show`."""
    points = _rows(view.header, view.rows) if view.header else ""
    data = {
        "experiment": name,
        "sizes": view.sizes,
        "outputs": list(map(vars, view.outputs)),
        "rows": _by_name(view.header, view.rows),
        "summary": _summary_data(view.summary),
    }
    blocks = [points, _statistics(view.outputs), *_summary(view.summary)]
    return Answer("\n\n".join(filter(None, blocks)), data)


def _summary(summary: Summary | None) -> list[str]:
    if summary is None:
        return []
    tables = [each for each in (summary.scalars, *summary.tables) if each.rows]
    many = _statistics(summary.outputs) if summary.outputs else ""
    return ["summary:", *(_rows(each.header, each.rows) for each in tables), many]


def _summary_data(summary: Summary | None) -> dict[str, Any] | None:
    if summary is None:
        return None
    return {
        "scalars": _by_name(summary.scalars.header, summary.scalars.rows),
        "tables": [_by_name(each.header, each.rows) for each in summary.tables],
        "outputs": list(map(vars, summary.outputs)),
    }


def _rows(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    return table(header, [list(map(_cut, row)) for row in rows])


def _by_name(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(header, row, strict=True)) for row in rows]


def _statistics(outputs: Sequence[Statistics]) -> str:
    header = ["output", "units", "dims", "dtype", "count", "missing", "min", "mean", "max", "std"]
    return table(header, [(o.name, o.units, ", ".join(o.dims), *_numbers(o)) for o in outputs])


def _numbers(of: Any) -> tuple[Any, ...]:
    return (of.dtype, of.count, of.missing, of.min, of.mean, of.max, of.std)


def _cut(value: Any) -> Any:
    is_long = isinstance(value, str) and len(value) > _CELL_WIDTH
    return value[: _CELL_WIDTH - 1] + "…" if is_long else value


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


def cleaned(name: str, found: Sequence[Waste], n_bytes: int, *, is_freed: bool) -> Answer:
    """Answer `clean`."""
    lines = [f"{size(each.n_bytes):>8}  {each.reason}: {path(each.path)}" for each in found]
    advice = "" if is_freed or not found else "; free it by: --yes"
    lines.append(f"{'freed' if is_freed else 'could free'} {size(n_bytes)}{advice}")
    data = {
        "experiment": name,
        "bytes": n_bytes,
        "freed": is_freed,
        "waste": list(map(vars, found)),
    }
    return Answer("\n".join(lines), data)
