"""B10: one point more, where there are many."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmarks import measuring
from benchmarks.acceptance import ANEW, ONE_MORE
from benchmarks.contenders import FSYNCED, IMPORTS, PLAIN, SWEEPS, Contender
from benchmarks.ours import sweeps
from benchmarks.rows import Case, Options, Row, in_turn, rows_of

SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
ARRAYS = {"n_arrays": 300, "n_bytes": 2**20}
LANDED, AGAIN, STATUS = "sweeps, first run", "sweeps, nothing to do", "sweeps status"
ANEW_FLUSHED = f"{ANEW}, fsync"


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
    others: dict[str, list[measuring.Run]] = {LANDED: [], AGAIN: [], STATUS: []}

    def measure(contender: Contender, folder: Path) -> measuring.Run:
        if contender is SWEEPS:
            first = contender.command(folder, job, arguments)
            for name, command in ((LANDED, first), (AGAIN, first), (STATUS, sweeps("status", job))):
                others[name].append(measuring.run(command, folder))
        command = contender.command(folder, job, {**arguments, "n_more": 1})
        return measuring.run(command, folder)

    turns = in_turn([SWEEPS, PLAIN, FSYNCED, IMPORTS], job, options.rounds, measure)
    shown = {SWEEPS.name: ONE_MORE, PLAIN.name: ANEW, FSYNCED.name: ANEW_FLUSHED}
    runs = {shown.get(name, name): own for name, own in turns.runs.items()} | others
    rows = [row for name, own in runs.items() for row in rows_of(name, size, own)]
    return rows + turns.noted(size)


CASES = (
    Case(
        "B10",
        "One more point",
        "points before",
        "A sweep over a single axis is complete and gets one more value. One point is computed, "
        "and the results file must hold one more. The floors are processes that import numpy and "
        "h5py, compute all values with numpy, and write axis and values to a new file, one of them "
        "with a flush at its end, as sweeps does.",
        _measure,
    ),
)
