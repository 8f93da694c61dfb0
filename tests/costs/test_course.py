"""Which points a run begins next, where points take long, and how long it says that it takes."""

import heapq

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps import grid
from sweeps.costs.course import Course
from sweeps.costs.forecast import places
from sweeps.costs.known import NOTHING, SAME, Known
from sweeps.engines import Block, Receipt
from sweeps.execution.scheduler import BLOCK_S, Scheduler
from tests.sizes import few

N, X = np.linspace(10, 400, 30), np.linspace(-1, 1, 40)
SPACE = grid(n=N, x=X)


def cut(positions, number):
    assert (np.diff(positions) > 0).all()
    yield Block(number, positions)


def scheduled(space, cost, n_workers, before=NOTHING, **options):
    """Make the scheduler of a run."""

    def begin(n_points):
        return Course(space, n_points, n_workers, before)

    before_s = float(before.seconds.mean()) if len(before) else 0.0
    return Scheduler(
        [range(len(cost))], cut, n_workers, begin_course=begin, before_s=before_s, **options
    )


def simulate(scheduler, cost, n_workers, sending_s=0.001):
    """Compute points whose costs are known, by a clock of its own.

    Gives after each block the time, which points are finished, and what is said to be left.
    """
    ends, finished = [(0.0, number, None, None) for number in range(n_workers)], []
    while ends:
        now, worker, receipt, begun = heapq.heappop(ends)
        if receipt is not None:
            scheduler.settle(receipt)
            finished += begun.tolist()
            yield now, finished, scheduler.left()
        block = next(scheduler.blocks(), None)
        if block is not None:
            at = np.asarray(block.positions)
            passed = np.cumsum(cost[at])
            n_begun = min(int(np.searchsorted(passed, BLOCK_S)) + 1, len(block))
            busy_s = float(passed[n_begun - 1])
            elapsed = cost[at[:n_begun]] if n_begun <= 64 else None
            n_left = len(block) - n_begun
            done = Receipt(block.number, n_begun, 0, n_left, busy_s, elapsed=elapsed)
            heapq.heappush(ends, (now + busy_s + sending_s, worker, done, at[:n_begun]))
    assert scheduler.n_left == 0
    assert sorted(finished) == list(range(len(cost)))


def took_s(scheduler, cost, n_workers):
    return list(simulate(scheduler, cost, n_workers))[-1][0]


def ideal_s(cost, n_workers):
    return max(cost.sum() / n_workers, cost.max())


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n_workers", [2, 8, 32])
@pytest.mark.parametrize("n_points", [60, 600])
def test_longest_first_ends_within_a_tenth_of_the_ideal(seed, n_workers, n_points):
    # The costs are known from an earlier run, and depend on no parameter.
    chance = np.random.default_rng(seed)
    space, cost = grid(i=range(n_points)), 3 * chance.lognormal(0, 1.5, n_points)
    before = Known(np.arange(n_points), cost * chance.lognormal(0, 0.05, n_points), SAME)
    longest_first = took_s(scheduled(space, cost, n_workers, before), cost, n_workers)
    assert longest_first <= 1.1 * ideal_s(cost, n_workers)


def test_longest_first_is_learned_in_a_first_run():
    n, x = np.repeat(np.linspace(10, 400, 30), 20), np.tile(np.linspace(-1, 1, 20), 30)
    cost = 1e-6 * n**3 * (1.1 + x) * np.random.default_rng(0).lognormal(0, 0.1, 600)
    space = grid(n=np.linspace(10, 400, 30), x=np.linspace(-1, 1, 20))
    taken = took_s(scheduled(space, cost, 16), cost, 16)
    in_order = took_s(Scheduler([range(600)], cut, 16), cost, 16)
    assert taken <= 1.1 * ideal_s(cost, 16)
    assert in_order > 1.1 * ideal_s(cost, 16)


def costs(seed=1):
    chance = np.random.default_rng(seed)
    n, x = np.repeat(N, len(X)), np.tile(X, len(N))
    noise = chance.lognormal(0, 0.1, len(n))
    return {
        "the same": 0.2 * noise,
        "a power": 1e-6 * n**3 * noise,
        "an exponential": 0.05 * np.exp(3 * x) * noise,
        "a product": 1e-4 * n**2 * (1.1 + x) * noise,
        "a sum": (0.1 + 1e-5 * n**2 + 3 * (x + 1) ** 2) * noise,
        "a step": np.where(n > 300, 20.0, 0.2) * noise,
        "an interaction": 0.1 * np.exp(n / 100 * x) * noise,
        "a resonance": 0.1 * (1 + 50 / (1 + ((x - 0.2) / 0.05) ** 2)) * noise,
        "a corner": np.where((n > 250) & (x > 0.2), 30, 0.3) * noise,
        "chance": 0.5 * chance.lognormal(0, 1.5, len(n)),
    }


def test_after_a_twentieth_of_the_points_a_first_run_says_when_it_ends():
    ratios, n_workers = {}, 4
    for law, cost in costs().items():
        said = simulate(scheduled(SPACE, cost, n_workers), cost, n_workers)
        _, done, (left_s, likely) = next(each for each in said if len(each[1]) >= 0.05 * len(cost))
        assert likely[0] <= left_s <= likely[1]
        ratios[law] = left_s / ideal_s(np.delete(cost, done), n_workers)
    right = [law for law, ratio in ratios.items() if 1 / 1.5 < ratio < 1.5]
    assert len(right) >= 8, ratios


def test_cheap_points_need_no_course():
    cost = np.full(10_000, 1e-4)
    begun = []
    scheduler = Scheduler([range(10_000)], cut, 2, begin_course=begun.append)
    took_s(scheduler, cost, 2)
    assert begun == []


def test_points_that_take_the_same_come_in_rows():
    cost = np.full(2000, 0.1)
    space = grid(a=range(2000))
    known = Known(np.arange(2000), cost, SAME)
    took_s(scheduled(space, cost, 2, known), cost, 2)
    course = Course(space, 2000, 2, known)
    assert course.look(np.arange(2000), np.arange(0)) is None


@few(15)
@given(
    n=st.integers(1, 150),
    n_known=st.integers(0, 150),
    n_workers=st.integers(1, 9),
    deviation=st.sampled_from([0.0, 1.0, 3.0]),
    fate=st.integers(0, 2**32),
)
def test_every_point_is_computed_once_whatever_is_known(n, n_known, n_workers, deviation, fate):
    chance = np.random.default_rng(fate)
    space, cost = grid(i=range(n)), 0.1 * chance.lognormal(0, deviation, n)
    at = np.sort(chance.permutation(n)[:n_known])
    before = Known(at, cost[at]) if len(at) else NOTHING
    took_s(scheduled(space, cost, n_workers, before), cost, n_workers)


@given(n=st.integers(0, 10_000), n_some=st.integers(1, 300))
def test_places_are_different_ones(n, n_some):
    found = places(n, n_some, np.random.default_rng(n))
    assert len(found) <= min(n, n_some)
    assert len(found) >= min(n, n_some) / 2
    assert (np.diff(found) > 0).all()
    assert not len(found) or (found[0] >= 0 and found[-1] < n)
