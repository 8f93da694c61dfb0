"""``python -m benchmarks.scale``: what breaks first where thousands of workers share a sweep.

A simulation: what one claim, one segment and one point cost is measured here, on this machine, and
the rest is counted. The turns of runs at the ledger of claims, of which one is had at a time, are
simulated one by one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import heapq
import itertools
import os
import tempfile
import time
import tracemalloc
from pathlib import Path
from unittest import mock

import numpy as np

from sweeps import experiment, grid
from sweeps.declaration.experiment import Experiment
from sweeps.execution import scheduler
from sweeps.execution.options import Options
from sweeps.execution.plan import plan_run
from sweeps.memo import index as memo
from sweeps.memo import merge
from sweeps.memo.claims import Claims
from sweeps.operations import run
from sweeps.project.sweep import Sweep, resolve
from sweeps.results import update
from sweeps.text import duration, size

_CLAIM_SHARE, _LONGEST_CLAIM_S, _TURN_SHARE = 0.01, 30.0, 0.02  # as in `sweeps.memo.claims`
_BLOCK_S = scheduler.BLOCK_S
_FIRST_LANDING_S, _LANDING_PAUSE_S = 3.0, 30.0  # as in `sweeps.results.update`
_NFS_TURN_S = 0.03  # 20 to 34 ms were measured between two hosts: docs/reliability.md
_N_ROUNDS = 5


@dataclasses.dataclass(frozen=True)
class Costs:
    """What was measured, for segments of some points each.

    Attributes
    ----------
    write_s, scan_s, land_s, merge_s : float
        For each segment: to compute and write it, to read it and plan with it at the start of a
        command, to land what is in it, and to merge it with others.
    n_bytes, memory_bytes : float
        For each segment: on the disk, and in the memory of a command.
    """

    n_points: int
    write_s: float
    scan_s: float
    land_s: float
    merge_s: float
    n_bytes: float
    memory_bytes: float


@dataclasses.dataclass(frozen=True)
class Case:
    """A sweep on many machines: processes that claim, each with some workers."""

    name: str
    n_points: int
    point_s: float
    n_runs: int
    n_workers: int
    segment: int  # points in it


CASES = (
    Case("10^9 points of 1 ms, 1,000 workers", 10**9, 1e-3, 100, 10, 500),
    Case("the same, vectorized", 10**9, 1e-6, 100, 10, 2**18),
    Case("10^7 points of a minute, 10,000 workers", 10**7, 60.0, 1_000, 10, 1),
)


def made(n: int, *, is_vectorized: bool = False) -> Experiment:
    """Make an experiment of n points along one axis that costs next to nothing."""
    return experiment(grid(x=range(n)), name="scale", vectorized=is_vectorized)(_double)


def _double(x: float) -> float:
    return x * 2.0


def turn_s(sweep: Sweep, n_runs: int) -> float:
    """Seconds that a claim takes among so many runs, all in this process; the median."""
    found = []
    claims = [Claims(sweep.memo, sweep.keys) for _ in range(n_runs)]
    for at in range(_N_ROUNDS):
        for number, each in enumerate(claims):
            first = (at * n_runs + number) * 100
            start = time.perf_counter()
            each.take(np.arange(first, first + 100), 100)
            found.append((at, time.perf_counter() - start))
    for each in claims:
        each.close()
    return float(np.median([seconds for at, seconds in found if at]))


def costs(n_points: int, n_segments: int) -> Costs:
    """Measure what segments of so many points cost, on some of them."""
    is_vectorized = n_points > scheduler.MAX_BLOCK // 2
    sweep = resolve(
        made(n_points * n_segments, is_vectorized=is_vectorized), results=tempfile.mkdtemp(dir=".")
    )
    blocks = {"MAX_BLOCK": n_points, "_MAX_COLUMNS": n_points, "_FIRST_BLOCK": n_points}
    with mock.patch.multiple(scheduler, **blocks), _unmerged():
        start = time.perf_counter()
        run.execute(sweep, Options("serial"))
        write_s = time.perf_counter() - start
    tracemalloc.start()
    start = time.perf_counter()
    index = memo.scan(sweep.memo)
    plan_run(sweep, index)
    scan_s = time.perf_counter() - start
    memory_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    n = len(index.segments)
    sweep.landed.unlink()
    with _unmerged():
        start = time.perf_counter()
        run.execute(sweep, Options("serial"))
        land_s = time.perf_counter() - start - scan_s
    n_bytes = sum(path.stat().st_size for path in sweep.memo.glob("*.seg"))
    with mock.patch.object(merge, "SETTLED_S", -1.0):
        start = time.perf_counter()
        merge.merge(memo.scan(sweep.memo))
        merge_s = time.perf_counter() - start - scan_s
    return Costs(
        n_points,
        (write_s - land_s) / n,
        scan_s / n,
        max(land_s, 0.0) / n,
        max(merge_s, 0.0) / n,
        n_bytes / n,
        memory_bytes / n,
    )


def _unmerged() -> contextlib.AbstractContextManager[object]:
    """Let segments stay as they are."""
    return mock.patch.multiple(merge, SETTLED_S=1e9, merge_alone=lambda index, present: index)


def turns(case: Case, one_s: float) -> tuple[float, float, float]:
    """Simulate the turns at the ledger; return the wall time, turns a second, and the share lost.

    A run claims work for a hundredth of its age, 30 s at most, and for so long that its own turns,
    waiting included, are a fiftieth of its time.
    """
    left_s = case.n_points * case.point_s  # of work, for one worker
    free_s = waited_s = now = 0.0
    n_turns = 0
    last = dict.fromkeys(range(case.n_runs), one_s)
    ready = [(0.0, number) for number in range(case.n_runs)]
    while left_s > 0:
        now, number = heapq.heappop(ready)
        begun = max(now, free_s)
        free_s = begun + one_s
        took_s = free_s - now
        n_turns, waited_s = n_turns + 1, waited_s + took_s
        last[number] += (took_s - last[number]) / 4
        aim_s = max(last[number] / _TURN_SHARE, free_s * _CLAIM_SHARE, _BLOCK_S, case.point_s)
        work_s = min(aim_s, max(_LONGEST_CLAIM_S, case.point_s))
        left_s -= work_s * case.n_workers
        heapq.heappush(ready, (free_s + work_s, number))
    end_s = max(at for at, _ in ready)
    return end_s, n_turns / end_s, waited_s / (end_s * case.n_runs)


def hour(n_workers: int, each: Costs, block_s: float) -> tuple[float, float]:
    """Simulate a run of an hour that lands and merges; return most files, and seconds at the end.

    Landings merge what is settled, and open all files that are not merged.
    """
    per_s, until_s = n_workers / block_s, 3600.0
    scanned_s = merged_s = now = n_most = 0.0  # by age of the run
    pause_s = _FIRST_LANDING_S
    while (now := now + pause_s) < until_s:
        n_most = max(n_most, (now - merged_s) * per_s)
        settled_s = max(merged_s, now - merge.SETTLED_S)
        costs_s = (now - scanned_s) * each.scan_s + (settled_s - merged_s) * each.merge_s
        took_s = per_s * (costs_s + (now - settled_s) * each.land_s)
        scanned_s, merged_s, now = now, settled_s, now + took_s
        pause_s = max(_LANDING_PAUSE_S, update.LANDING_SHARE * took_s)
    n_left = (until_s - merged_s) * per_s
    end_s = (until_s - scanned_s) * per_s * each.scan_s + n_left * each.merge_s
    return max(n_most, n_left), end_s


def rows(case: Case, each: Costs, local_s: float) -> list[str]:
    """Describe a case, a row of a table each."""
    wall_s, per_s, _ = turns(case, local_s)
    _, nfs_per_s, nfs_lost = turns(case, _NFS_TURN_S)
    n_segments = case.n_points / case.segment
    return [
        case.name,
        duration(wall_s),
        f"{per_s:.3g}/s, {nfs_per_s:.3g}/s ({nfs_lost:.1%} of the time)",
        f"{n_segments:.2g}, {n_segments / wall_s:.3g}/s",
        size(round(n_segments * each.n_bytes)),
        duration(n_segments * each.scan_s),
        size(round(n_segments * each.memory_bytes)),
        duration(n_segments * (each.scan_s + each.land_s)),
        duration(n_segments * (each.scan_s + each.merge_s)),
    ]


HEAD = (
    "",
    "wall time",
    "claims on a local disk, on NFS",
    "segments",
    "on the disk",
    "to read them all",
    "memory for that",
    "to land",
    "to merge",
)


def main() -> None:
    """Measure, simulate and print tables."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        sweep = resolve(made(10**6), results=Path("claims"))
        sweep.memo.mkdir(parents=True)
        two_s, many_s = turn_s(sweep, 2), turn_s(sweep, 200)
        measured = {1: costs(1, 1500), 500: costs(500, 400), 2**18: costs(2**18, 8)}
    print(f"a claim: {two_s * 1e3:.2f} ms among 2 runs, {many_s * 1e3:.2f} ms among 200\n")
    print("| points in a segment | write | read | land | merge | disk | memory |")
    print("|---|---|---|---|---|---|---|")
    for each in measured.values():
        told = [each.write_s, each.scan_s, each.land_s, each.merge_s]
        sizes = (size(round(each.n_bytes)), size(round(each.memory_bytes)))
        shown = (f"{seconds * 1e3:.3g} ms" for seconds in told)
        print(f"| {each.n_points:,} |", " | ".join((*shown, *sizes)), "|")
    print()
    columns = [rows(case, measured[case.segment], many_s) for case in CASES]
    for head, *told in zip(HEAD, *columns, strict=True):
        print(f"| {head} |", " | ".join(told), "|")
        if not head:
            print("|---" * (len(CASES) + 1) + "|")
    print("\n| an hour of points of 1 ms | files at a time | to merge them at the end |")
    print("|---|---|---|")
    for n_workers, block_s in itertools.product((2, 8, 32), (_BLOCK_S, 3 * _BLOCK_S)):
        n_most, end_s = hour(n_workers, measured[500], block_s)
        name = f"{n_workers} workers, blocks of {block_s:g} s"
        print(f"| {name} | {n_most:,.0f} | {duration(end_s)} |")


if __name__ == "__main__":
    main()
