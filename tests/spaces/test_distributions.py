"""Laws of distributions: values are finite, monotone, and of the kind that was asked for."""

import datetime
import enum
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sweeps.errors import DeclarationError
from sweeps.spaces.distributions import values_at
from sweeps.spaces.values import Labelled

finite = st.floats(-1e300, 1e300)
bounds = st.tuples(finite, finite).filter(lambda pair: pair[0] < pair[1])
probabilities = st.lists(st.floats(0, 1), min_size=1).map(sorted).map(np.array)
ENDS = np.array([0.0, 2.0**-64, 0.5, 1 - 2.0**-53, 1.0])

Colour = enum.Enum("Colour", "RED GREEN")
DISCRETE = {
    "poisson": stats.poisson(3.0),
    "shifted": stats.poisson(3.0, loc=-10),
    "binom": stats.binom(10, 0.3),
    "listed": stats.rv_discrete(values=([1, 5, 7], [0.2, 0.3, 0.5]))(),
}
CONTINUOUS = {
    "norm": stats.norm(1.0, 2.0),
    "loguniform": stats.loguniform(1, 20),
    "cauchy": stats.cauchy(),
    "histogram": stats.rv_histogram(np.histogram([1.0, 2.0, 3.0]))(),
    "Normal": stats.Normal(mu=1.0, sigma=2.0),
    "truncated": stats.truncate(stats.Normal(), lb=0.0, ub=1.0),
    "made": stats.make_distribution(stats.gamma)(a=2.0),
}


@given(bounds, probabilities)
def test_a_tuple_is_uniform_between_its_bounds(pair, at):
    low, high = pair
    table = values_at("x", pair, at)
    assert table.kind == "float"
    assert (table.array >= low).all()
    assert (table.array <= high).all()
    assert (np.diff(table.array) >= 0).all()
    assert values_at("x", pair, np.array([0.0])).array.tolist() == [low]


@pytest.mark.parametrize("pair", [(1, 3), (np.float32(1), np.int8(3)), (Fraction(1), 3.0)])
def test_bounds_are_any_real_numbers(pair):
    assert values_at("x", pair, np.array([0.0, 0.5])).array.tolist() == [1.0, 2.0]


@given(
    st.builds(range, st.integers(-9, 9), st.integers(-9, 9), st.sampled_from([-3, -1, 1, 2])),
    probabilities,
)
def test_what_is_chosen_from_is_in_equal_parts(choices, at):
    if not choices:
        choices = range(1)
    members = [*choices]
    expected = [members[min(math.floor(u * len(members)), len(members) - 1)] for u in at.tolist()]
    for choosable in (choices, members, np.array(members)):
        assert list(values_at("k", choosable, at).elements()) == expected


@pytest.mark.parametrize(
    "choices",
    [
        ["rk4", "euler"],
        [True, False],
        [1, None, "a", (2, 3)],
        [*Colour],
        [datetime.date(2020, 1, 1), datetime.date(2021, 1, 1)],
    ],
)
def test_choices_are_any_values(choices):
    n = len(choices)
    at = (np.arange(n) + 0.5) / n
    assert list(values_at("x", choices, at).elements()) == choices


def test_labels_stand_for_objects():
    found = list(values_at("x", {"root": abs, "size": len}, np.array([0.1, 0.9, 0.2])).elements())
    assert found == [Labelled("root", abs), Labelled("size", len), Labelled("root", abs)]


@pytest.mark.parametrize("choices", [range(-(2**62), 2**62, 2**40), range(10**15, 0, -7)])
def test_long_ranges_are_not_listed(choices):
    found = values_at("k", choices, ENDS).array.tolist()
    assert found[0] == choices[0]
    assert found[-1] == choices[-1]
    assert all(k in choices for k in found)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_a_frozen_distribution_gives_finite_floats_at_every_probability(name):
    table = values_at("x", CONTINUOUS[name], ENDS)
    assert table.kind == "float"
    assert np.isfinite(table.array).all()
    assert (np.diff(table.array) >= 0).all()


@pytest.mark.parametrize("name", DISCRETE)
def test_a_discrete_distribution_gives_integers_of_its_support(name):
    table = values_at("x", DISCRETE[name], ENDS)
    assert table.kind == "int"
    assert (DISCRETE[name].pmf(table.array) > 0).all()


def test_quantiles_are_those_of_published_tables():
    # Abramowitz & Stegun, Handbook of Mathematical Functions, 1964, table 26.5: x with Q(x) = p.
    published = {0.025: 1.95996, 0.005: 2.57583, 0.5: 0.0}
    found = values_at("x", stats.norm(), 1 - np.array([*published])).array
    np.testing.assert_allclose(found, [*published.values()], atol=5e-6)


class Foreign:
    """A distribution of somebody else's, with a ppf that is given."""

    def __init__(self, ppf):
        self.ppf = ppf


def test_a_distribution_is_known_by_its_ppf():
    assert values_at("x", Foreign(np.sqrt), np.array([0.25])).array.tolist() == [0.5]


def fail(_):
    raise RuntimeError("no idea")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("uniform", "is 'uniform', which is not a distribution: give"),
        (3, "is 3, which is not a distribution: give"),
        (None, "not a distribution"),
        ({1, 2}, "not a distribution"),
        (np.float64(1), "not a distribution"),
        (np.sqrt, "not a distribution"),
        (stats.gaussian_kde([1.0, 2.0, 4.0]), "not a distribution"),
        ((1, 2, 3), "two numbers"),
        ((1,), "two numbers"),
        (("a", "b"), "for choices give a list"),
        ((True, False), "two numbers"),
        ((1j, 2), "two numbers"),
        ((2, 1), "low must be less"),
        ((1, 1), "low must be less"),
        ((0, math.inf), "finite"),
        ((math.nan, 1), "finite"),
        ((0, 10**400), "finite"),
        ((-1e308, 1e308), "their difference"),
        (range(0), "empty"),
        (range(5, 0), "empty"),
        ([], "empty"),
        ({}, "empty"),
        (np.array([]), "empty"),
        (np.ones((2, 2)), r"shape \(2, 2\)"),
        ([1.0, math.nan], "NaN"),
        ([object()], "cannot identify a point"),
        (range(10**30), "64 bits"),
        (range(2**60), "2\\*\\*53"),
        (stats.loguniform, r"stats.loguniform without parameters.*stats.loguniform\(1, 20\)"),
        (stats.norm, "stats.norm without parameters"),
        (stats.Normal, "stats.Normal without parameters"),
        (stats.norm(0, -1), "stats.norm is nan at the probability"),
        (stats.pareto(0.001), "stats.pareto is inf"),
        (stats.norm([0, 1], 1), "arrays as parameters"),
        (stats.Normal(mu=[0, 1], sigma=1), "arrays as parameters"),
        (stats.poisson(3, loc=0.5), "integers"),
        (Foreign(fail), r"RuntimeError\('no idea'\)"),
    ],
)
def test_what_is_no_distribution_is_refused(given, reason):
    with pytest.raises(DeclarationError, match=reason) as refused:
        values_at("strength", given, np.array([0.1, 0.9, 0.99, 1 - 1e-9]))
    assert "'strength'" in str(refused.value)
