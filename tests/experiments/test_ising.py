import numpy as np
import pytest
import scipy.stats
from scipy.special import ellipk

import sweeps
from experiments.ising import CRITICAL_TEMPERATURE, ising, yang_magnetization


def simulate(seed, **parameters):
    return ising(**parameters, rng=np.random.default_rng(seed))


def onsager_energy(temperature):
    """Energy per spin of the infinite lattice: L. Onsager, Phys. Rev. 65, 117 (1944), eq. 116."""
    double_coupling = 2 / temperature
    k = 2 * np.sinh(double_coupling) / np.cosh(double_coupling) ** 2
    return -(1 + 2 / np.pi * (2 * np.tanh(double_coupling) ** 2 - 1) * ellipk(k**2)) / np.tanh(
        double_coupling
    )


def enumerated(size, temperature):
    """Mean |magnetization| and energy per spin over all 2^(size²) states of a small lattice."""
    n_spins = size * size
    bits = np.arange(2**n_spins)[:, None] >> np.arange(n_spins) & 1
    spins = (2 * bits - 1).reshape(-1, size, size)
    bonds = spins * (np.roll(spins, 1, axis=1) + np.roll(spins, 1, axis=2))
    energy = -bonds.sum(axis=(1, 2))
    weights = np.exp(-(energy - energy.min()) / temperature)
    magnetization = abs(spins.sum(axis=(1, 2)))
    return (
        np.average(magnetization, weights=weights) / n_spins,
        np.average(energy, weights=weights) / n_spins,
    )


@pytest.mark.parametrize(
    "temperature",
    [
        pytest.param(1.5, marks=pytest.mark.campaign),
        CRITICAL_TEMPERATURE,
        pytest.param(4.0, marks=pytest.mark.campaign),
    ],
)
def test_a_small_lattice_agrees_with_the_sum_over_all_its_states(temperature):
    runs = [
        simulate(temperature=temperature, seed=seed, size=4, n_warmup=100, n_sweeps=2000)
        for seed in range(6)
    ]
    means = np.array([(run["magnetization"], run["energy"]) for run in runs])
    standard_error = means.std(axis=0, ddof=1) / np.sqrt(len(runs))
    difference = means.mean(axis=0) - enumerated(4, temperature)
    assert np.all(abs(difference) < 4 * standard_error)
    assert np.all(standard_error < 0.01)


# The correlation length at these temperatures is a few spins, so that 32 × 32 of them differ from
# infinitely many by less than the statistical error, about 0.003 after 1000 sweeps.
@pytest.mark.parametrize("temperature", [1.6, 2.0, 3.0])
def test_the_energy_is_onsagers(temperature):
    run = simulate(temperature=temperature, seed=1, n_warmup=200, n_sweeps=1000)
    assert run["energy"] == pytest.approx(onsager_energy(temperature), abs=0.01)


@pytest.mark.parametrize("temperature", [1.6, 2.0])
def test_the_magnetization_is_yangs_below_the_critical_temperature(temperature):
    run = simulate(temperature=temperature, seed=1, n_warmup=200, n_sweeps=1000)
    assert run["magnetization"] == pytest.approx(run["exact_magnetization"], abs=0.01)


def test_the_magnetization_is_lost_above_the_critical_temperature():
    small, large = (
        simulate(temperature=4.0, seed=1, size=size, n_warmup=200, n_sweeps=1000)["magnetization"]
        for size in (16, 32)
    )
    # Uncorrelated patches: |m| falls as 1 / size.
    assert large == pytest.approx(small / 2, rel=0.2)


def test_the_critical_temperature_is_the_published_one():
    assert pytest.approx(2.269185, abs=5e-7) == CRITICAL_TEMPERATURE


@pytest.mark.parametrize("temperature", [0.5, 0.7, 0.9])
def test_yangs_formula_has_the_published_low_temperature_series(temperature):
    # In powers of u = exp(-4 / temperature): C. Domb in Phase Transitions and Critical
    # Phenomena 3, Academic Press 1974; OEIS A002928.
    series = [1, 0, -2, -8, -34, -152, -714, -3472, -17318]
    u = np.exp(-4 / temperature)
    next_term = 88048 * u**9
    expected = np.polynomial.Polynomial(series)(u)
    assert yang_magnetization(temperature) == pytest.approx(expected, abs=2 * next_term + 1e-15)


@pytest.mark.parametrize("temperature", [CRITICAL_TEMPERATURE, 2.3, 100.0])
def test_yangs_formula_is_zero_from_the_critical_temperature_on(temperature):
    assert yang_magnetization(temperature) == 0


def test_the_random_numbers_alone_decide():
    first, again, other = (
        simulate(temperature=2.3, seed=seed, size=8, n_warmup=0, n_sweeps=20) for seed in (1, 1, 2)
    )
    assert first["energy"] == again["energy"]
    assert np.array_equal(first["magnetization_history"], again["magnetization_history"])
    assert first["energy"] != other["energy"]


def test_the_history_is_that_of_the_sweeps_after_the_warmup():
    run = simulate(temperature=3.0, seed=1, size=4, n_warmup=10, n_sweeps=500)
    history = run["magnetization_history"]
    assert history.shape == (500,)
    assert np.array_equal(history * 16, np.rint(history * 16))  # a sum of 16 spins, over 16
    assert history.min() < 0 < history.max()
    assert run["magnetization"] == abs(history).mean()
    longer = simulate(temperature=3.0, seed=1, size=4, n_warmup=0, n_sweeps=510)
    assert np.array_equal(longer["magnetization_history"][10:], history)


def test_the_start_is_ordered():
    run = simulate(temperature=1.0, seed=1, n_warmup=0, n_sweeps=1)
    assert run["magnetization"] > 0.9


@pytest.mark.parametrize("size", [0, 2, 5])
def test_a_size_that_makes_no_checkerboard_is_refused(size):
    with pytest.raises(ValueError, match="even number from 4"):
        simulate(temperature=2.0, seed=1, size=size)


def test_the_summary_is_that_of_the_replicates(tmp_path):
    axes = {"temperature": [1.5, 3.5], "replicate": range(5), "size": 8, "n_warmup": 50}
    axes |= {"n_sweeps": 200}
    results = sweeps.run(ising, axes=axes, engine="serial", results=tmp_path)
    summary = sweeps.load(ising, group="summary", results=tmp_path)
    assert {array.dims for array in summary.data_vars.values()} == {("temperature",)}
    for name in ("magnetization", "energy"):
        values = results[name].transpose("replicate", "temperature")
        np.testing.assert_allclose(summary[name], values.mean("replicate"))
        np.testing.assert_allclose(summary[f"{name}_standard_error"], scipy.stats.sem(values))
        assert summary[name].attrs == {"units": "1", "cell_methods": "replicate: mean"}
    yang = [yang_magnetization(temperature) for temperature in (1.5, 3.5)]
    np.testing.assert_allclose(summary.magnetization_excess, summary.magnetization - yang)


@pytest.mark.parametrize(
    "axes",
    [{"temperature": 2.0}, {"replicate": [1], "size": [4, 8]}],
    ids=["temperature", "size"],
)
def test_the_summary_is_of_whatever_axes_are_swept(tmp_path, axes):
    quick = {
        "temperature": [1.5, 3.5],
        "replicate": [1, 2],
        "size": 4,
        "n_warmup": 1,
        "n_sweeps": 2,
    }
    sweeps.run(ising, axes=quick | axes, engine="serial", results=tmp_path)
    summary = sweeps.load(ising, group="summary", results=tmp_path)
    dims = {"temperature", "size"} if "size" in axes else {"temperature"}
    assert set(summary.magnetization.dims) == dims
    assert summary.magnetization.notnull().all()
