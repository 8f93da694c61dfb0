"""B8: spaces so huge that nobody computes them."""

from __future__ import annotations

from benchmarks import measuring, ours
from benchmarks.contenders import IMPORTS
from benchmarks.rows import Case, Options, Row, rows_of
from sweeps.spaces.keys import MAX_POINTS

HUGE = '''
from sweeps import experiment, grid

@experiment(grid(a=range({n_a}), b=range(500), c=range(1000)))
def huge(a, b, c):
    """More than anybody can compute."""
    return a + b + c
'''
INDEX = (
    "import time; from sweeps import grid; start = time.perf_counter();"
    "space = grid(a=range({n_a}), b=range(1000), c=range(1000));"
    "len(space), space.point({last});"
    "print(time.perf_counter() - start)"
)
SIZES = (500_000, 5_000_000, 50_000_000, 250_000_000, 1_000_000_000)


def _measure(options: Options) -> list[Row]:
    rows: list[Row] = []
    for size in options.sizes or SIZES:
        plans, imports, indexed = [], [], []
        for _ in range(options.rounds):
            with measuring.fresh_folder() as folder:
                if size <= MAX_POINTS:  # a plan refuses more
                    ours.write(folder, "huge", HUGE.format(n_a=size // 500_000))
                    plans.append(measuring.run(ours.sweeps("plan", "huge"), folder))
                    imports.append(measuring.run(IMPORTS.command(folder, "", {}), folder))
                code = INDEX.format(n_a=max(1, size // 1_000_000), last=size // 2)
                if size >= 1_000_000:
                    command = [ours.sweeps()[0], "-c", code]
                    indexed.append(measuring.run(command, folder))
        rows += rows_of("sweeps plan", size, plans)
        rows += rows_of(IMPORTS.name, size, imports)
        if indexed:
            seconds = float(measuring.median(indexed).said)
            rows.append(Row("made, counted, indexed", size, {"wall_s": seconds}))
    return rows


CASES = (
    Case(
        "B8",
        "Huge spaces",
        "points",
        "A plan of a grid without results; and a grid that is made, counted and indexed in Python "
        "(imports not included).",
        _measure,
    ),
)
