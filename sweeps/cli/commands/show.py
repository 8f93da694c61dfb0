"""The command that shows results as tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from sweeps.cli import options
from sweeps.cli.options import Answer, Asked, warn
from sweeps.text import count, table

if TYPE_CHECKING:
    from sweeps.analysis.overview import Statistics, SummaryView
    from sweeps.operations.show import View
    from sweeps.results.origin import Origin


_CELL_WIDTH = 40


@click.command("show", short_help="Show the results as tables.")
@options.name
@options.rows
@click.option(
    "--provenance",
    is_flag=True,
    help="Show in ten lines where the results come from: code, commit, packages, command, time.",
)
@options.options
def command(asked: Asked, rows: int, *, provenance: bool) -> None:
    """Show the first results of NAME as a table, and statistics of each output.

    NAME may also be the path of a results file.
    """
    from sweeps.operations import load, show

    path = load.results_path(asked.name, asked.results)
    load.refuse_unlanded(path)
    if provenance:
        asked.say(_origin(show.origin(path)))
        return
    view = show.view(path, rows)
    asked.say(answer(asked.name, view))
    if said := load.running(path):
        warn(f"{said}; this table shows the results file as it was last written")


def answer(name: str, view: View) -> Answer:
    """Answer `show`."""
    points = _rows(view.header, view.rows) if view.header else ""
    if points and (more := view.points - len(view.rows)):
        points += f"\nand {count(more, 'more point')} (--rows N shows more)"
    data = {
        "experiment": name,
        "sizes": view.sizes,
        "outputs": list(map(vars, view.outputs)),
        "rows": _by_name(view.header, view.rows),
        "summary": _summary_data(view.summary),
    }
    blocks = [points, _statistics(view.outputs), *_summary(view.summary)]
    return Answer("\n\n".join(filter(None, blocks)), data)


def _origin(origin: Origin) -> Answer:
    """Answer `show --provenance`."""
    from sweeps.results.origin import lines

    said = lines(origin)
    width = max(len(name) for name, _ in said)
    text = "\n".join(f"{name:{width}}  {' '.join(value.split())}" for name, value in said)
    return Answer(text, dataclasses.asdict(origin))


def _summary(summary: SummaryView | None) -> list[str]:
    if summary is None:
        return []
    tables = [each for each in (summary.scalars, *summary.tables) if each.rows]
    many = _statistics(summary.outputs) if summary.outputs else ""
    return ["summary:", *(_rows(each.header, each.rows) for each in tables), many]


def _summary_data(summary: SummaryView | None) -> dict[str, Any] | None:
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
    rows = [vars(each) | {"dims": ", ".join(each.dims)} for each in outputs]
    if any(each.long_name for each in outputs):
        return _rows([*header, "long name"], [list(row.values()) for row in rows])
    return table(header, [list(row.values())[: len(header)] for row in rows])


def _cut(value: Any) -> Any:
    is_long = isinstance(value, str) and len(value) > _CELL_WIDTH
    return value[: _CELL_WIDTH - 1] + "…" if is_long else value
