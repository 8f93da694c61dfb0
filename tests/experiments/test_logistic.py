import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import arcsine, kstest

from experiments.logistic import logistic
from sweeps import grid

growth_rates = st.floats(0.0, 4.0)
initials = st.floats(0.0, 1.0)

# S. H. Strogatz, Nonlinear Dynamics and Chaos, Westview 1994, §10.2 and §10.4.
DOUBLINGS = np.array([3.0, 1 + np.sqrt(6), 3.54409, 3.5644, 3.568759])
ONSET_OF_CHAOS = 3.569946
WINDOW_OF_PERIOD_3 = 1 + np.sqrt(8)


def periods(growth_rates):
    """Least number of iterations after which each orbit is back where it was; 0 for none to 64."""
    rates = np.asarray(growth_rates)
    start = x = logistic(rates, np.full(rates.shape, 0.3), 100_000, 1)["x"]
    found = np.zeros(rates.shape, dtype=int)
    for n in range(1, 65):
        x = logistic(rates, x, 0, 1)["x"]
        found[(abs(x - start) < 1e-7) & (found == 0)] = n
    return found.tolist()


def exponents(growth_rates, n_iterations=20_000):
    """Lyapunov exponents of one orbit for each growth rate, once it has settled."""
    rates = np.asarray(growth_rates)
    return logistic(rates, np.full(rates.shape, 0.3), 5000, n_iterations)["lyapunov_exponent"]


def test_the_period_doubles_at_the_published_growth_rates():
    margin = 2e-4  # closer to an onset, orbits take longer to settle
    assert periods(DOUBLINGS - margin) == [1, 2, 4, 8, 16]
    assert periods(DOUBLINGS + margin) == [2, 4, 8, 16, 32]


def test_chaos_begins_at_the_published_growth_rate():
    around = ONSET_OF_CHAOS + np.array([-1e-4, 1e-3])
    before, after = exponents(around)
    assert before < 0 < after
    assert periods(around)[1] == 0


def test_the_window_of_period_3_opens_at_the_published_growth_rate():
    around = WINDOW_OF_PERIOD_3 + np.array([-1e-3, 1e-3])
    chaotic, ordered = exponents(around)
    assert ordered < 0 < chaotic
    assert periods(WINDOW_OF_PERIOD_3 + np.array([-1e-4, 1e-4])) == [0, 3]


@pytest.mark.parametrize("growth_rate", [1.5, 2.5, 2.9])
def test_the_exponent_of_a_fixed_point_is_mays(growth_rate):
    # May 1976: the slope at the fixed point 1 - 1/r is 2 - r.
    (exponent,) = exponents([growth_rate], n_iterations=100)
    assert exponent == pytest.approx(np.log(abs(2 - growth_rate)), rel=1e-9)


@pytest.mark.parametrize("growth_rate", [3.1, 3.3, 3.4])
def test_the_exponent_of_the_cycle_of_two_is_that_of_its_slope(growth_rate):
    # Strogatz §10.3: the slope of the second iterate is 4 + 2r - r².
    (exponent,) = exponents([growth_rate], n_iterations=100)
    slope = 4 + 2 * growth_rate - growth_rate**2
    assert exponent == pytest.approx(np.log(abs(slope)) / 2, rel=1e-9)


def test_the_exponent_is_ln_2_where_the_map_is_the_tent():
    initial = np.random.default_rng(1).uniform(0, 1, 1000)
    found = logistic(np.full(1000, 4.0), initial, 100, 1000)["lyapunov_exponent"]
    standard_error = found.std(ddof=1) / np.sqrt(1000)
    assert standard_error < 1e-3
    assert found.mean() == pytest.approx(np.log(2), abs=4 * standard_error)


def test_orbits_of_full_chaos_have_the_arcsine_density():
    # S. M. Ulam and J. von Neumann, Bull. Amer. Math. Soc. 53, 1120 (1947).
    initial = np.random.default_rng(2).uniform(0, 1, 10_000)
    ends = logistic(np.full(10_000, 4.0), initial, 100, 1)["x"]
    assert kstest(ends, arcsine.cdf).pvalue > 1e-3


@given(initials, st.integers(1, 10))
def test_the_orbit_is_the_closed_form_where_there_is_one(initial, n):
    # E. Schröder, Math. Ann. 3, 296 (1870), for growth rates of 2 and 4.
    of_2, of_4 = (logistic(np.array([r]), np.array([initial]), 0, n)["x"][0] for r in (2.0, 4.0))
    assert of_2 == pytest.approx((1 - (1 - 2 * initial) ** 2**n) / 2, abs=1e-9)
    expected = np.sin(2**n * np.arcsin(np.sqrt(initial))) ** 2
    assert of_4 == pytest.approx(expected, abs=1e-9)  # errors double: 2¹⁰ × 10⁻¹⁶


@given(growth_rates, initials, st.integers(0, 50), st.integers(1, 50))
def test_no_orbit_leaves_the_interval(growth_rate, initial, n_warmup, n_iterations):
    result = logistic(np.array([growth_rate]), np.array([initial]), n_warmup, n_iterations)
    assert 0 <= result["x"][0] <= 1
    assert result["lyapunov_exponent"][0] <= np.log(4) + 1e-12


@given(growth_rates, initials, st.integers(0, 20), st.integers(1, 20))
def test_a_column_is_its_points(growth_rate, initial, n_warmup, n_iterations):
    rates, starts = np.array([growth_rate, 3.7, 0.0]), np.array([initial, 0.2, 1.0])
    together = logistic(rates, starts, n_warmup, n_iterations)
    for name, column in together.items():
        alone = [
            logistic(rates[i : i + 1], starts[i : i + 1], n_warmup, n_iterations)[name][0]
            for i in range(3)
        ]
        np.testing.assert_array_equal(column, alone)


@given(growth_rates, initials, st.integers(0, 20), st.integers(1, 20))
def test_a_warmup_is_iterations_that_do_not_count(growth_rate, initial, n_warmup, n_iterations):
    rate, start = np.array([growth_rate]), np.array([initial])
    whole = logistic(rate, start, n_warmup, n_iterations)["x"]
    first = logistic(rate, start, 0, n_warmup)["x"] if n_warmup else start
    np.testing.assert_array_equal(whole, logistic(rate, first, 0, n_iterations)["x"])


def test_the_top_of_the_map_has_an_exponent_of_minus_infinity():
    result = logistic(np.array([3.0]), np.array([0.5]), 0, 1)
    assert (result["x"][0], result["lyapunov_exponent"][0]) == (0.75, -np.inf)


@pytest.mark.parametrize(
    ("name", "value"),
    [("growth_rate", -0.1), ("growth_rate", 4.001), ("initial", -1e-9), ("initial", 1.5)],
)
def test_values_that_lead_to_infinity_are_refused(name, value):
    arguments = {"growth_rate": np.full(3, 3.5), "initial": np.full(3, 0.5)}
    arguments[name][1] = value
    with pytest.raises(ValueError, match=f"{name} must lie between 0 and"):
        logistic(**arguments)


@pytest.mark.parametrize(("n_warmup", "n_iterations"), [(-1, 10), (0, -1), (0, -5)])
def test_iterations_that_cannot_be_done_are_refused(n_warmup, n_iterations):
    with pytest.raises(ValueError, match="cannot iterate"):
        logistic(np.array([3.5]), np.array([0.5]), n_warmup, n_iterations)


def test_without_iterations_there_is_the_orbit_only():
    result = logistic(np.array([2.0, 4.0]), np.array([0.25, 0.25]), 1, 0)
    assert {name: column.tolist() for name, column in result.items()} == {"x": [0.375, 0.75]}


def test_a_bad_growth_rate_costs_its_own_points_only(tmp_path):
    space = grid(growth_rate=[3.2, 3.9, 5.0], initial=[0.1, 0.2])
    sweep = dataclasses.replace(logistic.with_space(space), name="escaping")
    ds = sweep.run(axes={"n_warmup": 10}, results=tmp_path, engine="serial")
    assert ds.x.isnull().values.tolist() == [[False, False], [False, False], [True, True]]
