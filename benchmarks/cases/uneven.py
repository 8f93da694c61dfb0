"""B5: how well workers are kept busy by tasks of very different durations.

Tasks sleep. What is measured is who waits for whom, and that is the same asleep or awake, except
that computing tasks take from each other, and from whoever hands them out, what cores they have:
on two cores by more than the 3 % in question.
"""

from __future__ import annotations

import os
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import measuring, work
from benchmarks.contenders import POOL, SWEEPS, Contender
from benchmarks.rows import Case, Options, Row, in_turn, rows_of

SIZES = (64, 1000)
N_WORKERS = os.cpu_count() or 1
TOTAL_S = 8.0 * N_WORKERS
Span = tuple[float, float]


@dataclass(frozen=True)
class Balance:
    """How busy workers were from the first start to the last end."""

    efficiency: float
    tail_s: float


def balance(spans: Sequence[Sequence[Span]], n_workers: int) -> Balance:
    """Reckon from what each worker did: starts and ends of its tasks.

    The tail is the time from when the first worker has nothing to do any more to the last end.
    """
    starts = [start for worker in spans for start, _ in worker]
    ends = [max(end for _, end in worker) for worker in spans]
    busy_s = sum(end - start for worker in spans for start, end in worker)
    first, last = min(starts), max(ends)
    idle_from = first if len(spans) < n_workers else min(ends)
    return Balance(busy_s / (n_workers * (last - first)), last - idle_from)


def least_tail_s(durations: Sequence[float], n_workers: int) -> float:
    """Tail of tasks that cost nothing to hand out, each to whoever is free first."""
    free_s = [0.0] * n_workers
    for duration in durations:
        free_s[free_s.index(min(free_s))] += duration
    return max(free_s) - min(free_s)


def _least_tails() -> str:
    tails = []
    for n_tasks in SIZES:
        own = work.durations(n_tasks, TOTAL_S)
        tails.append(f"{least_tail_s(own, N_WORKERS) / statistics.median(own):.2f}")
    return " and ".join(tails)


def _measure(options: Options) -> list[Row]:
    rows: list[Row] = []
    for n_tasks in options.sizes or SIZES:
        balances: dict[str, list[Balance]] = {}

        def measure(contender: Contender, folder: Path, n_tasks: int = n_tasks) -> measuring.Run:
            with tempfile.TemporaryDirectory() as account:
                job = {"n_tasks": n_tasks, "total_s": TOTAL_S}
                command = contender.command(folder, "uneven", job)
                run = measuring.run(command, folder, account=Path(account))
                spans = [_spans(path) for path in Path(account).iterdir()]
            balances.setdefault(contender.name, []).append(balance(spans, N_WORKERS))  # noqa: B023
            return run

        median_s = statistics.median(work.durations(n_tasks, TOTAL_S))
        turns = in_turn([SWEEPS, POOL, *options.peers], "uneven", options.rounds, measure)
        for name, runs in turns.runs.items():
            efficiency = statistics.median(each.efficiency for each in balances[name])
            tail_s = statistics.median(each.tail_s for each in balances[name])
            more = {"efficiency": efficiency, "tail_tasks": tail_s / median_s}
            rows += rows_of(name, n_tasks, runs, **more)
        rows += turns.noted(n_tasks)
    return rows


def _spans(path: Path) -> list[Span]:
    lines = [line.split() for line in path.read_text().splitlines()]
    return [(float(start), float(end)) for start, end in lines]


CASES = (
    Case(
        "B5",
        "Uneven work",
        "tasks",
        f"Durations are lognormal (σ = {work.SPREAD:g}), {TOTAL_S:g} s in all, with {N_WORKERS} "
        "workers. Efficiency is the time in tasks divided by the number of workers and by the time "
        "from the first start to the last end, so the start of the workers does not count. The "
        "tail is the time from when the first worker becomes idle to the end, in median tasks. "
        "Tasks sleep, since the case measures who waits for whom; computing tasks would take cores "
        "from each other. Handed out one by one in this order, at no cost, "
        f"{' and '.join(map(str, SIZES))} tasks would leave tails of {_least_tails()}.",
        _measure,
    ),
)
