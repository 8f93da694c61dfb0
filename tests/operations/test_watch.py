"""Who looks again and again sees what `status` shows, and reads only what is new."""

import dataclasses
import heapq

import numpy as np
import pytest

from sweeps import experiment, grid, run, status
from sweeps.code.versions import Versions
from sweeps.memo import segment
from sweeps.operations import watch
from sweeps.operations.status import Status
from sweeps.operations.watch import Watch, left_s
from sweeps.progress.presence import Running
from sweeps.progress.show import Slow
from sweeps.project.sweep import resolve


@experiment(grid(x=range(40)))
def odd_ones(x):
    if x % 4 == 0:
        raise ValueError(f"{x} is no good")
    return x / 2


def compute(limit):
    return run(odd_ones, engine="serial", limit=limit, retry=False)


@pytest.mark.filterwarnings("ignore")
def test_each_look_shows_what_status_shows(project):
    seen = Watch(resolve(odd_ones))
    for limit in (0, 7, 40):
        compute(limit)
        assert seen.look().status == status(odd_ones)
    assert seen.look().n_left == 0


@pytest.mark.filterwarnings("ignore")
def test_a_look_reads_only_the_segments_that_are_new(project, monkeypatch):
    compute(10)
    seen, loaded, load = Watch(resolve(odd_ones)), [], segment.load
    monkeypatch.setattr(
        segment, "load", lambda path, trusted: (loaded.append(path), load(path, trusted))[1]
    )
    seen.look()
    before = set(loaded)
    assert before
    loaded.clear()
    seen.look()
    assert not loaded
    compute(10)
    loaded.clear()
    seen.look()
    assert loaded
    assert before.isdisjoint(loaded)


@pytest.mark.filterwarnings("ignore")
def test_between_counts_new_points_are_taken_for_those_that_are_missing(project):
    seen = Watch(resolve(odd_ones))
    compute(10)
    before = seen.look().status
    seen._next_count_s = float("inf")  # counting took long
    compute(10)
    now = seen.look().status
    assert now.done == status(odd_ones).done > before.done
    seen._next_count_s = 0.0
    assert seen.look().status == status(odd_ones)


RUN = Running(
    *(40, 30, 0, 10.0, None, (Slow("x=3", 4.0),), "node1", 11, "ada", "run", "loky", 2),
    *("2026-01-01T00:00:00Z", Versions("3.11.7", "2.4.6", "0.1.0")),
)


def test_the_rate_is_that_of_all_runs_and_begins_anew_with_each(monkeypatch):
    clock, n_done, runs = [0.0], [0], [RUN, dataclasses.replace(RUN, host="node2")]
    monkeypatch.setattr(watch.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(
        Watch,
        "_status",
        lambda _: Status("a", 40, n_done[0], 40 - n_done[0], 0, 0, 0, 0, "", "", tuple(runs)),
    )
    seen = Watch(None)
    assert (seen.look().rate, seen.look().left) == (6.0, None)  # as they say
    for _ in range(4):
        clock[0] += 2.0
        n_done[0] += 4
        look = seen.look()
    assert look.rate == 2.0
    assert look.left.seconds >= look.left.low_s == 12.0
    assert look.left.high_s >= 12.0 + 4.0
    runs.pop()
    assert (seen.look().rate, seen.look().left) == (3.0, None)
    runs[0] = dataclasses.replace(RUN, points=60, left_s=9.0, left_range_s=(7.0, 20.0))
    assert seen.look().left == (9.0, 7.0, 20.0)  # as the only run predicts it
    runs[0] = dataclasses.replace(runs[0], points=31)  # others will compute the rest
    assert seen.look().left is None
    runs.pop()
    assert (seen.look().rate, seen.look().left) == (None, None)


def share_held(draw, n, n_workers, share, n_sweeps):
    """How often a sweep ends when it is said to, watched until a share of its time is over."""
    generator, held = np.random.default_rng(1), []
    for _ in range(n_sweeps):
        free, begun = [0.0] * n_workers, []
        for each in draw(generator, n):
            begun.append((heapq.heappop(free), each))
            heapq.heappush(free, sum(begun[-1]))
        starts, times = np.array(begun).T
        over = starts + times
        at = np.arange(0, share * over.max(), 2.0)
        looks = [(float(t), int((over <= t).sum())) for t in at]
        so_far = np.minimum(over, at[-1]) - starts
        slowest_s = so_far.max() if so_far.max() > 2.0 else 0.0
        left = left_s(looks, n - looks[-1][1], n_workers, slowest_s)
        held.append(left.low_s <= over.max() - at[-1] <= left.high_s)
    return np.mean(held)


DRAWS = {
    "exponential": lambda generator, n: generator.exponential(1, n),
    "equal": lambda _, n: np.ones(n),
    "10 % take 20 times as long": lambda generator, n: np.where(generator.random(n) < 0.1, 10, 0.5),
    "lognormal, sigma 1.5": lambda generator, n: generator.lognormal(0, 1.5, n),
}


@pytest.mark.parametrize("name", ["exponential", "equal"])
@pytest.mark.parametrize(("n", "n_workers", "share"), [(300, 4, 0.3), (600, 16, 0.7)])
def test_the_end_is_where_it_is_said_to_be_in_nineteen_cases_of_twenty(name, n, n_workers, share):
    assert share_held(DRAWS[name], n, n_workers, share, 40) >= 0.9


@pytest.mark.campaign
@pytest.mark.parametrize("name", DRAWS)
def test_how_often_the_end_is_where_it_is_said_to_be(name):
    for n, n_workers in ((300, 4), (2000, 16)):
        for share in (0.2, 0.5, 0.9):
            held = share_held(DRAWS[name], n, n_workers, share, 200)
            print(f"{name}: {n} points, {n_workers} workers, {share:.0%} of the time: {held:.0%}")


@pytest.mark.parametrize("looks", [[], [(0.0, 0)], [(0.0, 0), (9.0, 5)], [(5.0, 3)] * 9])
def test_nothing_is_said_of_the_end_where_little_is_known(looks):
    assert left_s(looks, 10) is None


def test_where_nothing_is_left_no_time_is_left():
    looks = [(2.0 * n, 3 * n) for n in range(5)]
    assert left_s(looks, 0, 4, 100.0) == (0.0, 0.0, 0.0)
