"""B10: one point more, where there are many."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmarks import measuring
from benchmarks.contenders import PLAIN, SWEEPS, Contender
from benchmarks.rows import Case, Options, Row, in_turn, rows_of

SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
ARRAYS = {"n_arrays": 300, "n_bytes": 2**20}
EXTENDS, LANDED = "sweeps, one more", "sweeps, first run"


def _measure(options: Options) -> list[Row]:
    rows: list[Row] = []
    for size in options.sizes or SIZES:
        rows += _grown("line", {"n_points": size}, size, options)
    if not options.sizes:
        rows += [
            Row(f"{row.contender}, 1 MiB arrays", row.size, row.numbers, row.note)
            for row in _grown("arrays", ARRAYS, ARRAYS["n_arrays"], options)
        ]
    return rows


def _grown(job: str, arguments: Mapping[str, float], size: float, options: Options) -> list[Row]:
    first: list[measuring.Run] = []

    def measure(contender: Contender, folder: Path) -> measuring.Run:
        if contender is SWEEPS:
            first.append(measuring.run(contender.command(folder, job, arguments), folder))
        command = contender.command(folder, job, {**arguments, "n_more": 1})
        return measuring.run(command, folder)

    turns = in_turn([SWEEPS, PLAIN], job, options.rounds, measure)
    shown = {SWEEPS.name: EXTENDS, PLAIN.name: "plain h5py, all again"}
    rows = [row for name, runs in turns.runs.items() for row in rows_of(shown[name], size, runs)]
    return rows + rows_of(LANDED, size, first) + turns.noted(size)


CASES = (
    Case(
        "B10",
        "One more point",
        "points before",
        "A sweep over a single axis is complete and gets one more value. One point is computed, "
        "and the results file must hold one more. The floor writes the whole file again with "
        "h5py.",
        _measure,
    ),
)
