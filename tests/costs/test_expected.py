"""What points take is predicted from a few of them, whatever they depend on."""

import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps import grid, points
from sweeps.costs.expected import Expected, longest_first
from sweeps.costs.known import EARLIER, ELSEWHERE, Known

SOLVERS = ["rk4", "euler", "bdf"]
SPACE = grid(n=np.linspace(10, 400, 30), x=np.linspace(-1, 1, 20), solver=SOLVERS)

LAWS = {
    "the same": lambda n, x, s: 0.2 + 0 * n,
    "a power of one parameter": lambda n, x, s: 1e-6 * n**3,
    "an exponential of one parameter": lambda n, x, s: 0.01 * np.exp(6 * x),
    "a product of two": lambda n, x, s: 1e-4 * n**2 * (1.1 + x),
    "a sum of three": lambda n, x, s: 0.1 + 1e-5 * n**2 + 3 * (x + 1) ** 2,
    "a step": lambda n, x, s: np.where(n > 300, 20.0, 0.2),
    "the solver": lambda n, x, s: np.array([0.1, 1.0, 10.0])[s],
    "an interaction of all": lambda n, x, s: 0.1 * np.exp(n / 100 * x) * np.where(s == 1, 5, 1),
    "a resonance": lambda n, x, s: 0.1 * (1 + 50 / (1 + ((x - 0.2) / 0.05) ** 2)),
    "a corner": lambda n, x, s: np.where((n > 250) & (x > 0.2), 30, 0.3),
    "chance": lambda n, x, s: 0.5 + 0 * n,
    "chance with a heavy tail": lambda n, x, s: 0.1 + 0 * n,
}
"""What the time of a point may depend on."""


def parameters(space):
    found = space.parameters_at(np.arange(space.n_positions))
    n, x = (np.array([point[name] for point in found]) for name in ("n", "x"))
    return n, x, np.array([SOLVERS.index(point["solver"]) for point in found])


def costs(law, chance):
    """Seconds of each point of the space."""
    n = SPACE.n_positions
    noise = chance.lognormal(0, 1.5 if law == "chance" else 0.1, n)
    noise = 1 + chance.pareto(1.5, n) if law == "chance with a heavy tail" else noise
    return LAWS[law](*parameters(SPACE)) * noise


def split(n, chance, share=0.05):
    known = np.sort(chance.permutation(n)[: max(1, int(share * n))])
    return known, np.setdiff1d(np.arange(n), known)


campaign = pytest.mark.campaign


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=campaign) for n in (1, 2, 3))])
def test_a_twentieth_of_the_points_tells_what_the_others_take(seed):
    ratios, inside = {}, []
    for law in LAWS:
        chance = np.random.default_rng(seed)
        seconds = costs(law, chance)
        known, rest = split(len(seconds), chance)
        said, truth = (
            Expected(SPACE, Known(known, seconds[known])).work(rest),
            seconds[rest].sum(),
        )
        ratios[law] = said.seconds / truth
        inside.append(said.low_s <= truth <= said.high_s)
    right = [law for law, ratio in ratios.items() if 1 / 1.5 < ratio < 1.5]
    assert len(right) >= 0.8 * len(LAWS), ratios
    assert all(1 / 3 < ratio < 3 for ratio in ratios.values()), ratios
    assert sum(inside) >= len(LAWS) / 2


def test_about_four_of_five_intervals_have_the_truth():
    inside = []
    for law in ("chance", "a product of two", "a corner"):
        for seed in range(8):
            chance = np.random.default_rng(100 + seed)
            seconds = costs(law, chance)
            known, rest = split(len(seconds), chance)
            said = Expected(SPACE, Known(known, seconds[known])).work(rest)
            inside.append(said.low_s <= seconds[rest].sum() <= said.high_s)
    assert 0.65 <= np.mean(inside) < 1


def test_what_was_measured_counts_as_it_was():
    chance = np.random.default_rng(0)
    seconds = costs("chance", chance)
    every = np.arange(len(seconds))
    same = Expected(SPACE, Known(every, seconds))
    assert same.work(every).seconds == pytest.approx(seconds.sum(), rel=0.02)
    np.testing.assert_allclose(same.seconds(every[::7]), seconds[::7])
    earlier = Expected(SPACE, Known(every, seconds, EARLIER)).work(every)
    assert earlier.low_s < seconds.sum() < earlier.high_s


def test_times_of_other_spaces_tell_the_average():
    taken = np.full(50, 2.0)
    expected = Expected(SPACE, Known(np.zeros(50, dtype=np.int64), taken, ELSEWHERE))
    said = expected.work(np.arange(100))
    assert said.low_s < 200 < said.high_s
    assert said.seconds == pytest.approx(200, rel=0.3)


def test_no_point_takes_longer_than_its_timeout():
    known = np.arange(0, 1800, 20)
    seconds = costs("a power of one parameter", np.random.default_rng(0))[known]
    expected = Expected(SPACE, Known(known, np.minimum(seconds, 5.0)), timeout=5.0)
    assert expected.seconds(np.arange(1800)).max() <= 5.0
    assert expected.work(np.arange(1800)).high_s <= 1800 * 5.0 * 1.3


DAY = datetime.timedelta(days=1)
STRANGE = {
    "booleans": grid(flag=[False, True], n=range(50)),
    "dates": grid(day=[datetime.date(2026, 1, 1) + i * DAY for i in range(60)]),
    "complex numbers": grid(z=[complex(a, b) for a in range(8) for b in range(8)]),
    "infinite and tiny": grid(x=[0.0, 5e-324, 1e308, -1e308, np.inf], n=range(30)),
    "nothing in common": points(
        [{"a": 1}, {"b": 2.5}, {"a": 3, "b": 1.0}, *({"c": i} for i in range(40))]
    ),
    "one value each": grid(a=[1], b=["x"], n=range(40)),
    "labels": grid(f={"sin": np.sin, "cos": np.cos}, n=range(30)),
    "one point": grid(x=[1]),
    "nobody": grid(x=range(50)).where(lambda x: x % 2 == 0),
}


@pytest.mark.parametrize("space", STRANGE.values(), ids=STRANGE)
@pytest.mark.parametrize("n_known", [1, 2, 4, 20])
def test_parameters_may_be_of_any_kind(space, n_known):
    positions = space.positions(0, len(space))
    chance = np.random.default_rng(n_known)
    known = np.sort(chance.permutation(positions)[:n_known])
    seconds = chance.lognormal(0, 1, len(known))
    expected = Expected(space, Known(known, seconds))
    said = expected.left(positions, 2)
    assert np.isfinite(said).all()
    assert 0 < said.low_s <= said.seconds <= said.high_s
    assert (expected.seconds(positions) > 0).all()


@given(
    seconds=st.lists(st.floats(0, 1e12, allow_subnormal=True), min_size=1, max_size=30),
    n_at_once=st.integers(1, 9),
)
def test_any_times_give_a_finite_prediction_and_an_order(seconds, n_at_once):
    space = grid(a=range(10), b=range(10))
    expected = Expected(space, Known(np.arange(len(seconds)), np.array(seconds)))
    every = np.arange(100)
    said = expected.left(every, n_at_once)
    assert np.isfinite(said).all()
    assert 0 <= said.low_s <= said.seconds <= said.high_s
    order = longest_first(expected.seconds(every), n_at_once)
    assert order is None or sorted(order) == every.tolist()


def test_a_million_points_are_looked_at_by_some():
    space = grid(a=np.linspace(1, 2, 1000), b=np.linspace(1, 5, 1000))
    chance = np.random.default_rng(0)
    known = np.sort(chance.choice(10**6, 20_000, replace=False))
    a, b = 1 + known // 1000 / 999, 1 + 4 * (known % 1000) / 999
    expected = Expected(space, Known(known, 0.1 * a * b**2 * chance.lognormal(0, 0.3, len(known))))
    said = expected.work(np.arange(10**6))
    truth = 0.1 * 1.5 * (124 / 12) * np.exp(0.3**2 / 2) * 10**6
    assert truth / 1.1 < said.seconds < truth * 1.1
    assert expected.mixture.n_known <= 320
