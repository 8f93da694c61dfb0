"""The time that is left is told right early, wherever points take longer."""

import heapq
import types

import numpy as np
import pytest

from sweeps.engines import Block, Receipt
from sweeps.execution.scheduler import BLOCK_S, Scheduler
from sweeps.progress import forecast

SIZE = np.arange(1, 41)
COSTS = {
    "grows along the first axis": 1e-4 * np.repeat(SIZE, 5) ** 2.0,
    "grows along the last axis": 1e-4 * np.tile(SIZE, 5) ** 2.0,
    "grows along a last axis of the length of a piece": 2e-5 * np.tile(SIZE, 160) ** 2.0,
    "falls": 1e-4 * np.repeat(SIZE[::-1], 5) ** 2.0,
    "grows with the cube": 4e-7 * np.repeat(np.arange(1, 201), 10) ** 3.0,
    "grows exponentially": 1e-3 * np.exp(np.repeat(np.arange(60), 4) / 8),
    "grows, few points": np.arange(1, 31) ** 2 / 100,
    "the same": np.full(400, 0.05),
    "scatters": np.random.default_rng(0).lognormal(-3, 1, 2000),
}


@pytest.mark.parametrize("cost", COSTS.values(), ids=COSTS)
@pytest.mark.parametrize("n_workers", [1, 2])
def test_the_time_left_is_told_from_a_fifth_of_it_on(monkeypatch, cost, n_workers):
    clock = types.SimpleNamespace(now=0.0, perf_counter=lambda: clock.now)
    monkeypatch.setattr(forecast, "time", clock)
    said = list(simulate(cost, n_workers, clock))
    total = said[-1][0]
    for fraction in (0.2, 0.35, 0.5):
        now, left = next((now, left) for now, left in said if now > fraction * total)
        assert (total - now) / 1.5 < left < (total - now) * 1.5


@pytest.mark.parametrize("name", ["grows along the first axis", "grows, few points", "the same"])
def test_the_time_left_follows_the_trend_where_points_come_in_order(monkeypatch, name):
    clock = types.SimpleNamespace(now=0.0, perf_counter=lambda: clock.now)
    monkeypatch.setattr(forecast, "time", clock)
    said = list(simulate(COSTS[name], 1, clock, is_in_order=True))
    total = said[-1][0]
    now, left = next((now, left) for now, left in said if now > total / 4)
    assert (total - now) / 1.5 < left < (total - now) * 1.5


def simulate(cost, n_workers, clock, start_s=0.5, sending_s=0.001, **options):
    """Compute points whose costs are known: after each block the time, and what is said left."""
    todo = [range(len(cost))]
    scheduler = Scheduler(todo, lambda at, n: [Block(n, at)], n_workers, **options)
    ends = [(start_s, number, None) for number in range(n_workers)]
    while ends:
        clock.now, worker, receipt = heapq.heappop(ends)
        if receipt is not None:
            scheduler.settle(receipt)
            yield clock.now, (scheduler.left() or (None,))[0]
        block = next(scheduler.blocks(), None)
        if block is not None:
            passed = np.cumsum(cost[block.positions])
            n_begun = min(int(np.searchsorted(passed, BLOCK_S)) + 1, len(block))
            busy_s = float(passed[n_begun - 1])
            receipt = Receipt(block.number, n_begun, 0, len(block) - n_begun, busy_s)
            heapq.heappush(ends, (clock.now + busy_s + sending_s, worker, receipt))
    assert scheduler.n_left == 0


def test_a_cheap_space_is_gone_through_in_rows():
    clock = types.SimpleNamespace()
    n_before, n = 22, 10**6  # blocks that it took in order of the space
    assert len(list(simulate(np.full(n, 1e-6), 2, clock))) <= n_before + 16


@pytest.mark.parametrize("n_points", [1, 2, 7, 100, 10**6])
@pytest.mark.parametrize("n_pieces", [1, 3, 16])
def test_pieces_begin_at_the_first_point_and_are_in_order(n_points, n_pieces):
    starts = forecast.starts(n_points, min(n_points, n_pieces))
    assert starts[0] == 0
    assert 1 <= len(starts) <= n_pieces
    assert (np.diff([*starts, n_points]) > 0).all()
    assert sorted(forecast.spread(n_pieces)) == list(range(n_pieces))


@pytest.mark.parametrize("n_workers", [1, 4])
def test_points_that_others_compute_are_not_left(n_workers):
    made = forecast.Forecast([[range(50)], [range(50, 100)]], n_workers)
    assert made.left_s() is None
    made.note(np.arange(10), 1.0)
    before = made.left_s()
    made.drop(np.arange(10, 100))
    assert made.left_s() < before / 5
