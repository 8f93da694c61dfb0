"""B7: vectorised functions."""

from __future__ import annotations

from pathlib import Path

from benchmarks import measuring
from benchmarks.contenders import SWEEPS, Contender
from benchmarks.rows import Case, Options, Row, in_turn, rows_of

SIZES = (1_000_000, 10_000_000, 100_000_000)
NUMPY = Contender("numpy + h5py", "benchmarks.floors.plain")


def _measure(options: Options) -> list[Row]:
    rows: list[Row] = []
    for size in options.sizes or SIZES:

        def measure(contender: Contender, folder: Path, size: int = size) -> measuring.Run:
            return measuring.run(contender.command(folder, "columns", {"n_points": size}), folder)

        turns = in_turn([SWEEPS, NUMPY], "columns", options.rounds, measure)
        for name, runs in turns.runs.items():
            rows += rows_of(name, size, runs)
        rows += turns.noted(size)
    return rows


CASES = (
    Case(
        "B7",
        "Vectorized functions",
        "points",
        "`a * np.sin(b) + c` of whole columns. The floor writes slabs that numpy broadcasts, in "
        "one process, and stores neither single points nor a status. Peers were not measured "
        "here.",
        _measure,
    ),
)
