"""B1 to B3: points that cost next to nothing, from nothing, all reused, and with one more value."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

from benchmarks import measuring
from benchmarks.contenders import IMPORTS, LOOP, POOL, SWEEPS, Contender
from benchmarks.rows import Case, Options, Row, rows_of

SIZES = (1000, 10_000, 100_000, 1_000_000, 10_000_000)
FRESH, AGAIN, EXTENDED = "scalar", "again", "extend"
Step = tuple[str, Contender, measuring.Run]


@functools.cache
def _measured(options: Options) -> dict[str, list[Row]]:
    """Take all three steps in the same folders, since each is the start of the next."""
    found: dict[str, list[Row]] = {FRESH: [], AGAIN: [], EXTENDED: []}
    contenders: Sequence[Contender] = [SWEEPS, LOOP, POOL, IMPORTS, *options.peers]
    out = {peer.name: peer.absent(FRESH) for peer in options.peers}
    for size in options.sizes or SIZES:
        here = [each for each in contenders if not out.get(each.name)]
        steps: list[Step] = []
        for _ in range(options.rounds):
            for contender in [each for each in here if not out.get(each.name)]:
                with measuring.fresh_folder() as folder:
                    try:
                        steps += _steps(contender, size, folder, options.limit_s)
                    except measuring.FailedRunError as error:
                        out[contender.name] = str(error)
        for contender in here:
            for step in found:
                runs = [run for kind, who, run in steps if kind == step and who is contender]
                found[step] += rows_of(contender.name, size, runs)
                if step == FRESH and runs and not out.get(contender.name):
                    wall_s = 10 * measuring.median(runs).wall_s
                    if contender in options.peers and wall_s > options.limit_s:
                        out[contender.name] = f"{10 * size:,} would take about {wall_s:.0f} s"
    for peer in options.peers:
        for step in found:
            if note := peer.absent(step) or out.get(peer.name):
                found[step].append(Row(peer.name, max(options.sizes or SIZES), note=note))
    return found


def _steps(contender: Contender, size: int, folder: Path, limit_s: float) -> list[Step]:
    """Do what a contender can do; the floors know nothing of earlier results."""
    if contender is IMPORTS:
        return [(AGAIN, contender, measuring.run(contender.command(folder, "", {}), folder))]

    def run(**more: int) -> measuring.Run:
        command = contender.command(folder, "scalar", {"n_points": size, **more})
        return measuring.run(command, folder, limit_s=10 * limit_s)

    steps = [(FRESH, contender, run())]
    if contender not in (LOOP, POOL):
        steps.append((AGAIN, contender, run()))
    if not contender.absent(EXTENDED):
        steps.append((EXTENDED, contender, run(n_more=1)))
    return steps


SCALAR = "`a * math.sin(b) + c` on a grid"
CASES = (
    Case(
        "B1",
        "Scalars, from nothing to a results file",
        "points",
        f"{SCALAR}. The wall time includes the start of Python.",
        lambda options: _measured(options)[FRESH],
    ),
    Case(
        "B2",
        "The same again, all points reused",
        "points",
        "The same command runs again in the same folder.",
        lambda options: _measured(options)[AGAIN],
    ),
    Case(
        "B3",
        "One more value on one axis",
        "points before",
        "`a` gets one more value. This adds 100 points to a sweep of 1,000, and 10,000 points to "
        "sweeps of 10⁶ and more. The floors compute everything again, since they know nothing of "
        "earlier results.",
        lambda options: _measured(options)[EXTENDED],
    ),
)
