"""How long many points take together, with its uncertainty."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sweeps.costs.coordinates import Array
from sweeps.costs.model import Mixture, Model
from sweeps.spaces.product import Positions

_MOST_POINTS = 2**12
"""Points that stand for all."""

_MOST_TOGETHER = 160
"""Points whose errors are drawn together: the time grows with the cube."""

N_DRAWS = 400

_TAIL = 10.0
"""Percent of the cases that are below, and above, what is said."""

_MOST_LOG = 8.0
"""No factor of more than e to this: what is known of a few points says nothing of it."""


class Left(NamedTuple):
    """Seconds that something takes, and between which times it is in 4 cases of 5."""

    seconds: float
    low_s: float
    high_s: float

    def times(self, factor: float) -> Left:
        """Multiply all three."""
        return Left(*(each * factor for each in self))


def left(drawn: Array) -> Left:
    """Say what drawn times show."""
    low, middle, high = np.percentile(drawn, [_TAIL, 50, 100 - _TAIL])
    return Left(float(middle), float(low), float(high))


def draws(mixture: Mixture, some: Positions, n: int, timeout: float | None = None) -> Array:
    """Draw what `n` points may take together, for which `some` stand, shape (N_DRAWS,)."""
    chance = np.random.default_rng(mixture.n_known)
    some = some[places(len(some), _MOST_POINTS, chance)]
    of = chance.choice(len(mixture.weights), N_DRAWS, p=mixture.weights)
    drawn = np.empty(N_DRAWS)
    for i, model in enumerate(mixture.models):
        drawn[of == i] = _draws(model, some, n, int((of == i).sum()), chance)
    if timeout is not None:
        drawn = np.minimum(drawn, n * timeout)
    return drawn


def places(n: int, n_some: int, chance: np.random.Generator) -> Positions:
    """Choose about `n_some` of n places, ascending: one in each of as many pieces; all, if few."""
    if n <= n_some:
        return np.arange(n)
    edges = np.linspace(0, n, n_some + 1)
    at = (edges[:-1] + chance.random(n_some) * np.diff(edges)).astype(np.int64)
    return np.unique(np.minimum(at, n - 1))


def _draws(
    model: Model, some: Positions, n: int, n_draws: int, chance: np.random.Generator
) -> Array:
    """Draw what `n` points may take together, for which `some` stand."""
    n_free = max(1, model.n_known - 1)
    stretch = n_free / np.maximum(chance.chisquare(n_free, n_draws), 1e-3)
    expected = np.exp(model.log_s(some))
    fewer = some[places(len(some), _MOST_TOGETHER, chance)]
    logs, covariance = model.together(fewer)
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0))
    errors = root @ chance.standard_normal((len(fewer), n_draws)) * np.sqrt(stretch)
    weights = np.exp(logs) / np.exp(logs).sum()
    wrong = weights @ np.exp(np.clip(errors, -_MOST_LOG, _MOST_LOG))
    mean, relative = _noise(model, stretch, chance)
    # Of the sum of all, weighted by what they take.
    n_effective = expected.sum() ** 2 / (expected**2).sum() * (n / len(some))
    chances = np.exp(relative / np.sqrt(n_effective) * chance.standard_normal(n_draws))
    return np.asarray(expected.mean() * n * wrong * mean * np.minimum(chances, np.exp(_MOST_LOG)))


def _noise(model: Model, stretch: Array, chance: np.random.Generator) -> tuple[Array, Array]:
    """Draw the mean of the factor by which points take longer, and its relative deviation.

    It is that of a lognormal distribution as far as the residuals look like one by their skewness
    and kurtosis (Jarque and Bera, Econ. Lett. 6, 255, 1980), and else that of the residuals.
    """
    variance = np.minimum(model.noise * model.scale * stretch, _MOST_LOG)
    residuals = np.clip(model.residuals, -_MOST_LOG, _MOST_LOG)
    weights = chance.dirichlet(np.ones(model.n_known), len(stretch))
    # By what each point takes: the sum is to be right, not each.
    predicted = np.exp(model.logs - model.logs.max() - residuals)
    weights = weights * predicted
    weights /= weights.sum(axis=1, keepdims=True)
    factors = np.exp(residuals)
    seen = weights @ factors
    squares = weights @ factors**2
    normal = _normality(residuals)
    mean = np.exp(variance / 2) ** normal * seen ** (1 - normal)
    relative = normal * np.expm1(variance) + (1 - normal) * (squares / seen**2 - 1)
    return mean, np.sqrt(np.maximum(relative, 0))


def _normality(residuals: Array) -> float:
    """How well residuals agree with a normal distribution, from 0 to 1."""
    centred = residuals - residuals.mean()
    variance = float((centred**2).mean())
    if variance < 1e-12:
        return 1.0
    skewness = float((centred**3).mean()) / variance**1.5
    excess = float((centred**4).mean()) / variance**2 - 3
    return min(1.0, 10 * float(np.exp(-len(residuals) * (skewness**2 + excess**2 / 4) / 12)))
