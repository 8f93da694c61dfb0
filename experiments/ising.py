"""The temperature at which a two-dimensional magnet loses its magnetization.

The Ising model on a periodic square lattice, in units where coupling and Boltzmann's constant
are 1. On an infinite lattice the magnetization vanishes at T = 2 / ln(1 + √2) = 2.269185
(L. Onsager, Phys. Rev. 65, 117, 1944) and is (1 - sinh(2/T)⁻⁴)^(1/8) below (C. N. Yang,
Phys. Rev. 85, 808, 1952).

Expect Yang's curve to within a percent up to T = 2.2, then not a sharp fall but a small lattice's
rounded one, where also the replicates differ most, and far above a tail of a few times 1 / size.
The summary says so for each temperature, averaged over the replicates.
"""

import numpy as np

from sweeps import experiment, grid, reductions, replicates

CRITICAL_TEMPERATURE = 2 / np.log(1 + np.sqrt(2))


@experiment(
    grid(temperature=np.linspace(1.5, 3.5, 21)) * replicates(4),
    units={
        "temperature": "1",
        "magnetization": "1",
        "exact_magnetization": "1",
        "energy": "1",
        "magnetization_history": "1",
    },
    dims={"magnetization_history": "sweep"},
)
def ising(temperature, rng, size=32, n_warmup=1000, n_sweeps=4000):
    """Sample a lattice by the Metropolis method; mean |magnetization| and energy per spin."""
    black, white = checkerboard(size)
    spins = np.ones(size * size, dtype=np.int8)  # all up: a random start may freeze in stripes
    magnetization = np.empty(n_sweeps)
    energy = np.empty(n_sweeps)
    for sweep in range(-n_warmup, n_sweeps):
        update(spins, *black, temperature, rng)
        update(spins, *white, temperature, rng)
        if sweep >= 0:
            magnetization[sweep] = spins.mean()
            energy[sweep] = energy_per_spin(spins, *black)
    return {
        "magnetization": abs(magnetization).mean(),
        "exact_magnetization": yang_magnetization(temperature),
        "energy": energy.mean(),
        "magnetization_history": magnetization,
    }


@ising.summary
def over_replicates(results):
    """Means and standard errors, and how far the magnetization is from Yang's."""
    scalars = results[["magnetization", "exact_magnetization", "energy"]]
    mean = reductions.mean(scalars)
    standard_error = reductions.standard_error(scalars)
    return {
        "magnetization": mean.magnetization,
        "magnetization_standard_error": standard_error.magnetization,
        "magnetization_excess": mean.magnetization - mean.exact_magnetization,
        "energy": mean.energy,
        "energy_standard_error": standard_error.energy,
    }


def checkerboard(size):
    """Sites of the black and of the white fields, each with their neighbours, shape (4, n)."""
    if size % 2 or size < 4:
        raise ValueError(f"size must be an even number from 4 on, got {size}")
    site = np.arange(size * size).reshape(size, size)
    steps = [(1, 0), (1, 1), (-1, 0), (-1, 1)]
    neighbours = np.array([np.roll(site, shift, axis) for shift, axis in steps])
    is_black = np.indices((size, size)).sum(axis=0) % 2 == 0
    return [(site[colour], neighbours[:, colour]) for colour in (is_black, ~is_black)]


def update(spins, sites, neighbours, temperature, rng):
    """Metropolis step of all sites of one colour: they have no neighbours of their own colour."""
    energy_to_flip = 2 * spins[sites] * spins[neighbours].sum(axis=0)
    flips = rng.random(sites.size) < np.exp(-energy_to_flip / temperature)
    spins[sites[flips]] *= -1


def energy_per_spin(spins, sites, neighbours):
    """Minus the sum over all bonds, each of which joins one black and one white site."""
    return -(spins[sites] * spins[neighbours].sum(axis=0)).sum() / spins.size


def yang_magnetization(temperature):
    """Spontaneous magnetization of the infinite lattice (Yang 1952)."""
    if temperature >= CRITICAL_TEMPERATURE:
        return 0.0
    return (1 - np.sinh(2 / temperature) ** -4) ** (1 / 8)
