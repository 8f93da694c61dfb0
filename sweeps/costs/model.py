"""A model of the logarithm of what points take, chosen and fitted by what is known.

It is kriging: a Gaussian process with an unknown mean. A candidate is a covariance: of nothing but
noise; linear along each parameter (powers and exponentials); additive, with steps and bends along
each; or of all interactions. The one with the greatest restricted likelihood counts, which weighs
fit against freedom (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, 5.4).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sweeps.costs.coordinates import Along, Array, Coordinates, Places
from sweeps.spaces.product import Positions
from sweeps.spaces.space import Space

_MOST_CHOICE, MOST_KNOWN = 160, 320
"""Points by which a covariance is chosen, and fitted: the time grows with the cube."""

_NOISES = 10.0 ** np.arange(-4, 2.1, 0.5)
"""Variances of what no parameter explains, by that of what they explain."""

_INTERACTION = 0.5

_FEWEST = 3

_MOST_MODELS, _LEAST_WEIGHT = 4, 0.03

_SHORTEST_S = 1e-7
"""Clocks tell no shorter time."""


def _linear(one: Along, other: Along) -> Array:
    if one.rank is None or other.rank is None:
        return np.equal.outer(one.code, other.code).astype(np.float64)
    return np.asarray(one.smooth @ other.smooth.T / max(1, one.smooth.shape[1]))


def _bent(one: Along, other: Along) -> Array:
    """Linear, with steps and bends: the covariance falls with the distance of ranks."""
    same = _linear(one, other)
    if one.rank is None or other.rank is None:
        return same
    return np.asarray(same + (1 - np.abs(np.subtract.outer(one.rank, other.rank))))


@dataclasses.dataclass(frozen=True)
class Kind:
    """A covariance: of which parameters, along each, and how they go together."""

    names: tuple[str, ...]
    along: Callable[[Along, Along], Array]
    is_product: bool = False

    def __call__(self, one: Places, other: Places, n: int, m: int) -> Array:
        """Covariances of n points and m others, shape (n, m)."""
        if not self.is_product:
            made = np.zeros((n, m))
            for name in self.names:
                made += self.along(one[name], other[name])
            return made / max(1, len(self.names))
        made = np.ones((n, m))
        for name in self.names:
            made *= 1 + _INTERACTION * self.along(one[name], other[name])
        return made


def kinds(names: tuple[str, ...], relevant: tuple[str, ...]) -> Iterator[Kind]:
    """List the covariances to choose from, the simplest first."""
    yield Kind((), _linear)
    for used in dict.fromkeys((relevant, names)):
        if used:
            yield Kind(used, _linear)
            yield Kind(used, _bent)
            if len(used) > 1:
                yield Kind(used, _linear, is_product=True)
                yield Kind(used, _bent, is_product=True)


@dataclasses.dataclass(frozen=True, eq=False)
class Model:
    """What is expected of points.

    Attributes
    ----------
    kind : Kind
    noise : float
        Variance of what no parameter explains, in units of `scale`.
    scale : float
        Variance of the process, of the natural logarithm of seconds.
    logs, residuals : numpy.ndarray
        Of the known points: their logarithms, and by how much each is above what all the others
        predict of it.
    """

    kind: Kind
    noise: float
    scale: float
    logs: Array
    residuals: Array
    _coordinates: Coordinates
    _known: Places
    _inverse: Array
    _weights: Array
    _mean: float

    @property
    def n_known(self) -> int:
        """Points that it is made from."""
        return len(self.residuals)

    def log_s(self, positions: Positions) -> Array:
        """Expected logarithm of the seconds of each point, shape (n,)."""
        made = np.empty(len(positions))
        step = 2**14  # of n_known covariances each: 40 MB
        for start in range(0, len(positions), step):
            part = slice(start, start + step)
            made[part] = self._mean + self._cross(positions[part]) @ self._weights
        return made

    def _cross(self, positions: Positions) -> Array:
        n, m = len(positions), self.n_known
        return self.kind(self._coordinates.at(positions), self._known, n, m)

    def together(self, positions: Positions) -> tuple[Array, Array]:
        """Expected logarithms of points, shape (n,), and how these may be wrong together, (n, n).

        The second is a covariance, without that of the noise.
        """
        places, n = self._coordinates.at(positions), len(positions)
        cross = self.kind(places, self._known, n, self.n_known)
        through = cross @ self._inverse
        rest = 1 - through.sum(axis=1)
        own = self.kind(places, places, n, n) - through @ cross.T
        own += np.outer(rest, rest) / self._inverse.sum()
        return self._mean + cross @ self._weights, self.scale * own


@dataclasses.dataclass(frozen=True, eq=False)
class Mixture:
    """Models, and how likely each is by what is known.

    Attributes
    ----------
    models : tuple of Model
        The likeliest first.
    weights : tuple of float
        They add up to 1.
    """

    models: tuple[Model, ...]
    weights: tuple[float, ...]

    @property
    def n_known(self) -> int:
        """Points that they are made from."""
        return self.models[0].n_known

    def log_s(self, positions: Positions) -> Array:
        """Expected logarithm of the seconds of each point, shape (n,)."""
        made = np.zeros(len(positions))
        for model, weight in zip(self.models, self.weights, strict=True):
            made += weight * model.log_s(positions)
        return made


def fit(space: Space, known: Positions, seconds: npt.ArrayLike) -> Mixture:
    """Fit models to points and what they took; of many points, to some.

    Parameters
    ----------
    known : numpy.ndarray
        Positions of the points, at least one.
    seconds : array_like
        Shape (n,).
    """
    chance = np.random.default_rng(len(known))
    taken = np.asarray(seconds, dtype=np.float64)
    if len(known) > MOST_KNOWN:
        rows = np.sort(chance.choice(len(known), MOST_KNOWN, replace=False))
        known, taken = known[rows], taken[rows]
    logs = np.log(np.maximum(taken, _SHORTEST_S))
    coordinates = Coordinates(space, known)
    places = coordinates.at(known)
    some = np.arange(len(known))
    if len(known) > _MOST_CHOICE:
        some = np.sort(chance.choice(len(known), _MOST_CHOICE, replace=False))
    fewer = {name: along.of(some) for name, along in places.items()}
    likely = _likely(coordinates.names, fewer, logs[some])
    models = tuple(_fitted(each.kind, each.noise, coordinates, places, logs) for each in likely)
    return Mixture(models, tuple(each.weight for each in likely))


def _fitted(
    kind: Kind, noise: float, coordinates: Coordinates, places: Places, logs: Array
) -> Model:
    n = len(logs)
    inverse = np.asarray(
        np.linalg.inv(kind(places, places, n, n) + noise * np.eye(n)), dtype=np.float64
    )
    ones = inverse.sum(axis=1)
    mean = float(ones @ logs / ones.sum())
    weights = inverse @ (logs - mean)
    scale = float((logs - mean) @ weights) / max(1, n - 1)
    residuals = weights / np.diag(inverse)
    return Model(kind, noise, scale, logs, residuals, coordinates, places, inverse, weights, mean)


class _Likely(NamedTuple):
    weight: float
    kind: Kind
    noise: float


def _likely(names: tuple[str, ...], places: Places, logs: Array) -> list[_Likely]:
    """Choose covariances, and how much noise there is beside each; the likeliest first."""
    n = len(logs)
    nothing = Kind((), _linear)
    if n < _FEWEST:
        return [_Likely(1.0, nothing, 1.0)]
    found = []
    for kind in kinds(names, _relevant(names, places, logs)):
        noises = _NOISES if kind.names else np.ones(1)
        likelihood = _likelihood(kind(places, places, n, n), logs, noises)
        at = int(np.argmax(likelihood))
        found.append(_Likely(float(likelihood[at]), kind, float(noises[at])))
    found = sorted(found, key=lambda each: -each.weight)[:_MOST_MODELS]
    weights = np.exp([each.weight - found[0].weight for each in found])
    kept = [w for w in (weights / weights.sum()).tolist() if w > _LEAST_WEIGHT]
    return [each._replace(weight=w / sum(kept)) for each, w in zip(found, kept, strict=False)]


def _likelihood(covariance: Array, logs: Array, noises: Array) -> Array:
    """Restricted log-likelihood for each noise, of the best mean and scale."""
    n = len(logs)
    centred = covariance - covariance.mean(axis=0)
    centred -= centred.mean(axis=1)[:, np.newaxis]
    values, vectors = np.linalg.eigh(centred)
    # One of them is the mean, which has no part in it: of value 0, among others.
    along = vectors.T @ (logs - logs.mean())
    variances = np.maximum(values, 0) + noises[:, np.newaxis]
    scales = np.maximum((along**2 / variances).sum(axis=1) / (n - 1), 1e-12)
    logarithms = np.log(variances).sum(axis=1) - np.log(noises)
    return np.asarray(-((n - 1) * np.log(scales) + logarithms) / 2)


def _relevant(names: tuple[str, ...], places: Places, logs: Array) -> tuple[str, ...]:
    """List the parameters along which points take longer or shorter, each looked at alone."""
    rest = logs - logs.mean()
    found = []
    for name in names:
        along = places[name]
        if along.rank is None:
            groups = np.unique(along.code, return_inverse=True)[1]
        else:
            groups = np.minimum((along.rank * 4).astype(np.int64), 3)
        counts = np.maximum(np.bincount(groups), 1)
        sums = np.bincount(groups, rest)
        explained = float((sums**2 / counts).sum() / max(rest @ rest, 1e-12))
        n_free = len(counts) - 1
        if explained > 2 * n_free / len(logs) + 0.05:
            found.append((explained, name))
    chosen = {name for _, name in sorted(found, reverse=True)[:4]}
    return tuple(name for name in names if name in chosen)
