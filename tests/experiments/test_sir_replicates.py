import functools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.stats import chisquare, sem

from experiments.sir_replicates import kermack_mckendrick, major_probability, sir_replicates


def simulated(n_replicates, seed=1, **parameters):
    """Outputs of independent outbreaks, stacked."""
    runs = [
        sir_replicates(**parameters, rng=np.random.default_rng([seed, replicate]))
        for replicate in range(n_replicates)
    ]
    return {name: np.array([run[name] for run in runs]) for name in runs[0]}


def assert_mean(values, expected, n_standard_errors=4.0):
    standard_error = values.std(axis=0, ddof=1) / np.sqrt(len(values))
    assert np.all(abs(values.mean(axis=0) - expected) < n_standard_errors * standard_error)


def final_size_distribution(reproduction_number, n_susceptible, n_introduced):
    """Probability of each number of infections, exactly, from the chain of events.

    N. T. J. Bailey, The Mathematical Theory of Infectious Diseases, Griffin 1975, §6.4.
    """
    n_people = n_susceptible + n_introduced

    @functools.cache
    def reach(susceptible, infected):
        """Probability that the epidemic is ever at this state."""
        if (susceptible, infected) == (n_susceptible, n_introduced):
            return 1.0
        by_infection = by_recovery = 0.0
        if infected > 1 and susceptible < n_susceptible:
            by_infection = reach(susceptible + 1, infected - 1) * chance(susceptible + 1)
        if infected + 1 <= n_people - susceptible:
            by_recovery = reach(susceptible, infected + 1) * (1 - chance(susceptible))
        return by_infection + by_recovery

    def chance(susceptible):
        rate = reproduction_number * susceptible / n_people
        return rate / (rate + 1)

    return np.array([reach(n_susceptible - k, 0) for k in range(n_susceptible + 1)])


@pytest.mark.parametrize(
    ("reproduction_number", "n_introduced"),
    [(0.7, 1), (1.5, 2), pytest.param(4.0, 1, marks=pytest.mark.campaign)],
)
def test_in_a_small_population_the_final_size_has_its_exact_distribution(
    reproduction_number, n_introduced
):
    n_people, n_replicates = 8, 4000
    n_susceptible = n_people - n_introduced
    exact = final_size_distribution(reproduction_number, n_susceptible, n_introduced)
    assert exact.sum() == pytest.approx(1, abs=1e-12)
    sizes = simulated(
        n_replicates,
        reproduction_number=reproduction_number,
        n_introduced=n_introduced,
        n_people=n_people,
    )["final_size"]
    found = np.bincount(np.rint(sizes * n_susceptible).astype(int), minlength=n_susceptible + 1)
    assert chisquare(found, n_replicates * exact).pvalue > 1e-3


@pytest.mark.parametrize(
    ("reproduction_number", "n_introduced"), [(1.5, 3), (2.0, 1), (3.0, 1), (3.0, 3)]
)
def test_a_major_outbreak_is_as_probable_as_whittle_says(reproduction_number, n_introduced):
    is_major = simulated(300, reproduction_number=reproduction_number, n_introduced=n_introduced)[
        "is_major"
    ]
    expected = major_probability(reproduction_number, n_introduced)
    standard_error = np.sqrt(expected * (1 - expected) / 300)
    assert is_major.mean() == pytest.approx(expected, abs=4 * standard_error)


def test_below_a_reproduction_number_of_1_there_is_no_major_outbreak():
    assert not simulated(300, reproduction_number=0.8, n_introduced=1)["is_major"].any()
    assert major_probability(0.8, 1) == 0


@pytest.mark.parametrize(
    "reproduction_number", [pytest.param(1.5, marks=pytest.mark.campaign), 2.5]
)
def test_major_outbreaks_reach_as_many_as_kermack_and_mckendrick_say(reproduction_number):
    # The mean over finite populations differs by the order of 1 / n_people = 0.0002, and is known
    # to about 0.001.
    found = simulated(100, reproduction_number=reproduction_number, n_introduced=20, n_people=5000)[
        "final_size"
    ]
    assert_mean(found, kermack_mckendrick(reproduction_number, introduced_share=20 / 5000))


def test_the_final_size_relation_has_its_known_solutions():
    # P. Erdős and A. Rényi 1960: the same equation gives the giant component of a random graph,
    # which at a mean degree of 2 has 0.796812 of the nodes.
    assert kermack_mckendrick(2.0) == pytest.approx(0.796812, abs=5e-7)
    assert kermack_mckendrick(0.9) == pytest.approx(0, abs=1e-12)


@given(st.floats(1.05, 20.0), st.floats(0.0, 0.5))
def test_the_final_size_solves_its_equation(reproduction_number, share):
    z = kermack_mckendrick(reproduction_number, share)
    assert 0 < z <= 1
    escaped = np.exp(-reproduction_number * ((1 - share) * z + share))
    assert 1 - z == pytest.approx(escaped, abs=1e-9)


def test_a_large_epidemic_follows_the_differential_equations():
    n_people, n_introduced, days, recovery = 20_000, 2000, np.arange(60), 1 / 5

    def motion(time, state):
        susceptible, infected = state
        infections = 2.0 * recovery * susceptible * infected
        return [-infections, infections - recovery * infected]

    start = [1 - n_introduced / n_people, n_introduced / n_people]
    exact = solve_ivp(motion, (0, 60), start, t_eval=days, rtol=1e-9, atol=1e-12).y[1]
    found = simulated(
        20,
        reproduction_number=2.0,
        n_introduced=n_introduced,
        n_people=n_people,
        n_days=60,
    )["infected"]
    assert np.all(found[:, 0] == n_introduced)
    assert_mean(found[:, 5::5], n_people * exact[5::5])


def test_without_infections_the_last_of_n_recovers_after_the_harmonic_number_of_periods():
    # The largest of n exponential times has the mean 1 + 1/2 + … + 1/n.
    duration = simulated(400, reproduction_number=0.0, n_introduced=5)["duration"]
    assert_mean(duration, 5.0 * (1 + 1 / 2 + 1 / 3 + 1 / 4 + 1 / 5))


@given(
    st.floats(0.0, 5.0), st.integers(1, 20), st.integers(1, 100), st.integers(0, 2**32), st.data()
)
def test_an_outbreak_is_consistent_with_itself(
    reproduction_number, n_introduced, n_susceptible, seed, data
):
    parameters = {
        "reproduction_number": reproduction_number,
        "n_introduced": n_introduced,
        "n_people": n_susceptible + n_introduced,
        "infectious_days": data.draw(st.floats(0.1, 100.0)),
    }
    run = sir_replicates(**parameters, rng=np.random.default_rng(seed))
    n_infections = round(run["final_size"] * n_susceptible)
    assert 0 <= n_infections <= n_susceptible
    assert n_introduced <= run["peak"] <= n_introduced + n_infections
    assert run["infected"][0] == n_introduced
    assert run["infected"].max() <= run["peak"]
    is_over = np.arange(len(run["infected"])) >= run["duration"]
    assert np.all((run["infected"] == 0) == is_over)
    parameters["infectious_days"] *= 2
    slower = sir_replicates(**parameters, rng=np.random.default_rng(seed))
    assert slower["duration"] == 2 * run["duration"]


def test_the_summary_has_the_bands_beside_the_theory(tmp_path):
    axes = {"reproduction_number": [0.8, 2.0], "n_introduced": 2, "replicate": range(100)}
    results = sir_replicates.run(axes=axes, results=tmp_path, engine="serial")
    summary = sir_replicates.load(group="summary", results=tmp_path).squeeze()
    assert summary.whittle.values.tolist() == [0, 0.75]
    errors = (summary.major_fraction - summary.whittle) / summary.major_fraction_standard_error
    assert abs(errors[1]) < 4
    large = results.sel(reproduction_number=2.0).squeeze()
    sizes = large.final_size.values[large.is_major.values == 1]
    assert summary.major_size[1] == pytest.approx(sizes.mean())
    assert summary.major_size_standard_error[1] == pytest.approx(sem(sizes))
    assert summary.kermack_mckendrick[1] == pytest.approx(sizes.mean(), abs=4 * sem(sizes))
    assert summary.infected_quantile.dims == ("reproduction_number", "day", "quantile")
    np.testing.assert_allclose(summary.infected_mean[1], large.infected.mean("replicate"))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"reproduction_number": -1.0}, "reproduction_number must be 0 or more"),
        ({"reproduction_number": math.inf}, "reproduction_number must be 0 or more"),
        ({"n_introduced": 0}, "n_introduced must lie between 1 and 999"),
        ({"n_introduced": 1000}, "n_introduced must lie between 1 and 999"),
        ({"infectious_days": 0.0}, "must be positive"),
        ({"n_days": 0}, "must be positive"),
    ],
)
def test_numbers_that_make_no_epidemic_are_refused(wrong, said):
    parameters = {"reproduction_number": 2.0, "n_introduced": 1, **wrong}
    with pytest.raises(ValueError, match=said):
        sir_replicates(**parameters, rng=np.random.default_rng(1))
