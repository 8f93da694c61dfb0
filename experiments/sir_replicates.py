"""How chance decides whether a few cases become an epidemic, and how large it gets.

The stochastic SIR epidemic: each infected person infects others at random, `reproduction_number`
of them on average while all are susceptible, and recovers after a random time. Every infection and
recovery is simulated, by the direct method of D. T. Gillespie, J. Phys. Chem. 81, 2340 (1977). In
a large population an outbreak becomes a major one with the probability 1 - (1/R)^n after n
introductions (P. Whittle, Biometrika 42, 116, 1955), which then reaches the share z of the people
with z = 1 - exp(-R z) (W. O. Kermack and A. G. McKendrick, Proc. R. Soc. A 115, 700, 1927).

Expect no major outbreak for R < 1; for R = 2 half of the outbreaks to die out after a single
introduction, and the others to reach about 80 % of the people. The summary has the bands over the
replicates; those of `infected` are wide, mostly since outbreaks differ in when they take off.
"""

import numpy as np
from scipy.special import lambertw

from sweeps import experiment, grid, reductions, replicates

MAJOR = 0.1
"""An outbreak that reaches a larger share of the susceptible people is a major one."""


@experiment(
    grid(reproduction_number=[0.8, 1.2, 1.5, 2.0, 3.0], n_introduced=[1, 5]) * replicates(200),
    units={
        "reproduction_number": "1",
        "n_introduced": "1",
        "n_people": "1",
        "infectious_days": "day",
        "final_size": "1",
        "is_major": "1",
        "duration": "day",
        "peak": "1",
        "infected": "1",
    },
    dims={"infected": "day"},
)
def sir_replicates(
    reproduction_number, n_introduced, rng, n_people=1000, infectious_days=5.0, n_days=120
):
    """Simulate an outbreak: the share of people that it reaches, and who is infected each day."""
    check(reproduction_number, n_introduced, n_people, infectious_days, n_days)
    n_susceptible = n_people - n_introduced
    times, infected = outbreak(reproduction_number, n_susceptible, n_introduced, rng)
    days = infectious_days * times
    n_infections = np.count_nonzero(np.diff(infected) > 0)
    final_size = n_infections / n_susceptible
    at_midnight = np.searchsorted(days, np.arange(n_days), side="right") - 1
    return {
        "final_size": final_size,
        "is_major": final_size > MAJOR,
        "duration": days[-1],
        "peak": infected.max(),
        "infected": infected[at_midnight],
    }


@sir_replicates.summary
def over_replicates(results):
    """Bands of the infected, and how frequent and large major outbreaks are, beside the theory."""
    r, n = results.reproduction_number, results.n_introduced
    major = results[["is_major", "final_size"]]
    major = major.assign(final_size=major.final_size.where(major.is_major == 1))
    mean, standard_error = reductions.mean(major), reductions.standard_error(major)
    return {
        "major_fraction": mean.is_major,
        "major_fraction_standard_error": standard_error.is_major,
        "whittle": major_probability(r, n),
        "major_size": mean.final_size,
        "major_size_standard_error": standard_error.final_size,
        "kermack_mckendrick": kermack_mckendrick(r, n / results.n_people),
        **reductions.over_replicates(results[["infected"]]),
    }


def outbreak(reproduction_number, n_susceptible, n_infected, rng):
    """Simulate until nobody is infected any more.

    Returns
    -------
    times : numpy.ndarray
        Of all events and the start, shape (n_events + 1,), in mean infectious periods.
    infected : numpy.ndarray
        Infected people after each event, shape (n_events + 1,).
    """
    most_events = 2 * n_susceptible + n_infected  # everybody falls ill, and recovers
    waits = rng.standard_exponential(most_events)
    choices = rng.random(most_events)
    contacts = reproduction_number / (n_susceptible + n_infected)
    rates, infected = [], [n_infected]
    for choice in choices.tolist():
        infection = contacts * n_susceptible  # by each who is infected; recovery has the rate 1
        rates.append(n_infected * (infection + 1))
        if choice * (infection + 1) < infection:
            n_susceptible -= 1
            n_infected += 1
        else:
            n_infected -= 1
        infected.append(n_infected)
        if not n_infected:
            break
    times = np.cumsum(waits[: len(rates)] / rates)
    return np.concatenate([[0.0], times]), np.array(infected)


def check(reproduction_number, n_introduced, n_people, infectious_days, n_days):
    """Refuse numbers that make no epidemic."""
    if not 0 <= reproduction_number < np.inf:
        raise ValueError(f"reproduction_number must be 0 or more, got {reproduction_number}")
    if not 1 <= n_introduced < n_people:
        raise ValueError(f"n_introduced must lie between 1 and {n_people - 1}, got {n_introduced}")
    if not 0 < infectious_days < np.inf or n_days < 1:
        raise ValueError(
            f"infectious_days and n_days must be positive, got {infectious_days} and {n_days}"
        )


def major_probability(reproduction_number, n_introduced):
    """Probability of a major outbreak in a large population (Whittle 1955)."""
    return 1 - np.minimum(1, 1 / reproduction_number) ** n_introduced


def kermack_mckendrick(reproduction_number, introduced_share=0.0):
    """Share of the susceptible people that a major outbreak reaches (Kermack, McKendrick 1927).

    The positive solution of z = 1 - exp(-R (s z + i)), where the share i is introduced and the
    share s = 1 - i is susceptible: written with Lambert's function.
    """
    r, s = reproduction_number, 1 - introduced_share
    return 1 + np.real(lambertw(-r * s * np.exp(-r))) / (r * s)
