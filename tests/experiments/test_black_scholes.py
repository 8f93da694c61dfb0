import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.black_scholes import black_scholes, exact_price

strikes = st.floats(20.0, 300.0)
spots = st.floats(20.0, 300.0)
volatilities = st.floats(0.05, 1.0)
rates = st.floats(0.0, 0.2)
maturities = st.floats(0.1, 5.0)

# J. C. Hull, Options, Futures, and Other Derivatives, chapter "The Black-Scholes-Merton model":
# share at 42, strike 40, 10 % a year, volatility 20 %, six months: a call is worth 4.76.
HULL = {"strike": 40.0, "volatility": 0.2, "spot": 42.0, "rate": 0.1, "maturity": 0.5}


def test_the_formula_gives_the_textbook_price():
    assert exact_price(**HULL) == pytest.approx(4.76, abs=0.005)


def test_the_simulation_gives_the_textbook_price():
    result = black_scholes(**HULL, rng=np.random.default_rng(1))
    assert result["exact"] == exact_price(**HULL)
    assert result["standard_error"] < 0.005
    assert result["price"] == pytest.approx(4.76, abs=0.005 + 3 * result["standard_error"])


@given(strikes, volatilities, spots, rates, maturities)
def test_a_call_costs_less_than_the_share_and_no_less_than_its_surplus(
    strike, volatility, spot, rate, maturity
):
    # R. C. Merton, Bell J. Economics 4, 141 (1973): the bounds that hold in any model.
    price = exact_price(strike, volatility, spot, rate, maturity)
    rounding = 1e-12 * (spot + strike)
    surplus = max(spot - strike * np.exp(-rate * maturity), 0)
    assert surplus - rounding <= price <= spot


@given(strikes, volatilities, spots, rates, maturities, st.floats(0.01, 100.0))
def test_the_currency_does_not_matter(strike, volatility, spot, rate, maturity, factor):
    price = exact_price(strike, volatility, spot, rate, maturity)
    elsewhere = exact_price(factor * strike, volatility, factor * spot, rate, maturity)
    assert elsewhere == pytest.approx(factor * price, rel=1e-9, abs=1e-12 * factor * spot)


@given(strikes, volatilities, spots, rates, maturities, st.floats(1.0, 2.0))
def test_a_higher_strike_is_never_dearer_and_more_volatility_never_cheaper(
    strike, volatility, spot, rate, maturity, factor
):
    price = exact_price(strike, volatility, spot, rate, maturity)
    rounding = 1e-12 * (spot + factor * strike)
    assert exact_price(factor * strike, volatility, spot, rate, maturity) <= price + rounding
    assert exact_price(strike, factor * volatility, spot, rate, maturity) >= price - rounding


def test_the_standard_error_is_honest():
    # The deviations, in standard errors, of independent runs are standard normal: the standard
    # deviation of 400 of them lies within 1 ± 0.15 but for 1 in 10⁵ cases. Counting the paths
    # of a pair as independent would give about 0.7.
    runs = [
        black_scholes(strike=100.0, volatility=0.2, n_paths=4000, rng=np.random.default_rng(seed))
        for seed in range(400)
    ]
    deviations = [(run["price"] - run["exact"]) / run["standard_error"] for run in runs]
    assert np.mean(deviations) == pytest.approx(0, abs=4.4 / np.sqrt(400))
    assert np.std(deviations) == pytest.approx(1, abs=0.15)


def test_mirrored_paths_beat_independent_ones():
    n_paths = 100_000
    rng = np.random.default_rng(1)
    final = 100 * np.exp(0.05 - 0.2**2 / 2 + 0.2 * rng.standard_normal(n_paths))
    independent = np.std(np.exp(-0.05) * np.maximum(final - 100, 0)) / np.sqrt(n_paths)
    mirrored = black_scholes(strike=100.0, volatility=0.2, n_paths=n_paths, rng=rng)
    assert mirrored["standard_error"] < 0.8 * independent


def test_the_random_numbers_alone_decide():
    first, again, other = (
        black_scholes(strike=90.0, volatility=0.3, n_paths=100, rng=np.random.default_rng(seed))
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first["price"] != other["price"]


def test_all_prices_come_from_the_same_paths(tmp_path):
    axes = {"strike": np.linspace(80.0, 120.0, 41), "volatility": [0.2, 0.3], "n_paths": 1000}
    ds = black_scholes.run(axes=axes, results=tmp_path, engine="serial")
    # The payoff of each path is convex in the strike, and so is their mean. Other paths for each
    # strike would bury second differences, about 0.02, under errors of 0.3.
    assert np.all(np.diff(ds.price.transpose("strike", ...), n=2, axis=0) > -1e-12)


def test_the_summary_says_how_many_standard_errors_prices_are_off(tmp_path):
    axes = {"strike": [90.0, 110.0], "volatility": [0.2, 0.4], "n_paths": 1000}
    ds = black_scholes.run(axes=axes, results=tmp_path, engine="serial")
    summary = black_scholes.load(group="summary", results=tmp_path)
    back = ds.exact + summary.deviation * ds.standard_error
    np.testing.assert_allclose(back.values, ds.price.values, rtol=1e-12)
    assert summary.largest_deviation == abs(summary.deviation).max()
