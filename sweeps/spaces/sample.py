"""Samples: spaces whose points are drawn from distributions of the parameters.

Each function makes a space of one dimension, `sample`. A parameter is given by its distribution:

==============================  ===========================================================
``(0.1, 2.0)``                  floats, uniform from low to high
``range(1, 5)``                 its integers, equally likely
``["rk4", "euler"]``, an array  its values, equally likely
``{"label": object}``           labelled objects, equally likely
``stats.loguniform(1, 20)``     any frozen distribution of `scipy.stats`; integers of discrete
==============================  ===========================================================

The same seed gives the same points. Points may be equal where parameters are discrete.
"""

from __future__ import annotations

import dataclasses
import numbers
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from sweeps.errors import DeclarationError, unknown
from sweeps.spaces import draw_cache
from sweeps.spaces.distributions import Floats, values_at
from sweeps.spaces.product import together
from sweeps.spaces.space import Space
from sweeps.spaces.values import short

DIM = "sample"

MAX_VALUES = 2**27
"""Most values, that is points times parameters; they take 8 bytes each, and several times so."""


@dataclasses.dataclass(frozen=True, eq=False)
class Sampling:
    """How the points of a sample are drawn; `space` draws them.

    Attributes
    ----------
    method : str
        Name of a function of this module: "sobol", "halton", "latin_hypercube", "uniform" or
        "saltelli".
    n : int
        Number of points; of base points for "saltelli".
    seed : int
    parameters : mapping of str to distribution
        As the functions take them.
    scramble : bool
        Of sequences: "sobol" and "halton".
    """

    method: str
    n: int
    seed: int
    parameters: Mapping[str, Any]
    scramble: bool = True


def sobol(n: int, /, *, seed: int = 0, scramble: bool = True, **parameters: Any) -> Space:
    """Draw a Sobol' sequence, which fills the space of the parameters evenly.

    A larger `n` keeps the points and adds new ones.

    Parameters
    ----------
    n : int
        Number of points; a power of 2 keeps the sequence balanced, others warn.
    seed : int
        Of the scrambling.
    scramble : bool
        Whether to randomize the sequence; without, it begins at the lowest values.
    **parameters : tuple, range, list, array_like, mapping or frozen distribution
        A distribution for each, as above.

    Returns
    -------
    Space

    Raises
    ------
    DeclarationError
        For what is no distribution, for no parameters, and for more points than can be held.

    See Also
    --------
    scipy.stats.qmc.Sobol : Its points, scaled.

    Examples
    --------
    >>> from scipy import stats
    >>> space = sobol(4, scramble=False, length=(1.0, 2.0), order=range(1, 5))
    >>> space.point(1)
    {'length': 1.5, 'order': 3}
    >>> sobol(1024, seed=1, length=(0.1, 2.0), g=stats.loguniform(1, 20))
    <Space (sample: 1024)>
    """
    return space(Sampling("sobol", n, seed, parameters, scramble))


def halton(n: int, /, *, seed: int = 0, scramble: bool = True, **parameters: Any) -> Space:
    """Draw a Halton sequence, for any number of points; otherwise as `sobol`.

    A larger `n` keeps the points and adds new ones.

    See Also
    --------
    scipy.stats.qmc.Halton : Its points, scaled.
    """
    return space(Sampling("halton", n, seed, parameters, scramble))


def latin_hypercube(n: int, /, *, seed: int = 0, **parameters: Any) -> Space:
    """Draw a Latin hypercube: of n equally likely parts of each parameter, each is hit once.

    It does not grow: another `n` makes other points. Arguments are those of `sobol`.

    See Also
    --------
    scipy.stats.qmc.LatinHypercube : Its points, scaled.
    """
    return space(Sampling("latin_hypercube", n, seed, parameters))


def uniform(n: int, /, *, seed: int = 0, **parameters: Any) -> Space:
    """Draw points at random, independently; otherwise as `sobol`.

    A larger `n` keeps the points and adds new ones.
    """
    return space(Sampling("uniform", n, seed, parameters))


def saltelli(n: int, /, *, seed: int = 0, **parameters: Any) -> Space:
    """Draw the design from which `sweeps.sobol_indices` estimates Sobol' indices.

    Of two independent samples A and B, each of n base points with d parameters, there are n (d + 2)
    points: for each i, A_i, B_i, and then d times A_i with one parameter from B_i. A larger `n`
    keeps the points and adds new ones.

    Parameters
    ----------
    n : int
        Number of base points; a power of 2 keeps the sequence balanced, others warn.
    seed, **parameters
        As for `sobol`.

    References
    ----------
    A. Saltelli et al., "Variance based sensitivity analysis of model output. Design and estimator
    for the total sensitivity index", Comput. Phys. Commun. 181, 259 (2010).

    Examples
    --------
    >>> [point["x"] + point["y"] for point in saltelli(1, seed=11, x=["a", "A"], y=["b", "B"])]
    ['ab', 'AB', 'Ab', 'aB']
    """
    return space(Sampling("saltelli", n, seed, parameters))


def space(sampling: Sampling) -> Space:
    """Draw the points of a sample."""
    draw = _METHODS.get(sampling.method)
    if draw is None:
        raise unknown("sampling method", sampling.method, _METHODS)
    own = _checked(sampling)
    probabilities = draw(own, len(own.parameters))
    columns = {
        name: values_at(name, given, probabilities[:, i])
        for i, (name, given) in enumerate(own.parameters.items())
    }
    points = together(DIM, columns, allow_repeats=True)
    return Space((dataclasses.replace(points, sampling=own),))


def _checked(sampling: Sampling) -> Sampling:
    """Refuse a sample that cannot be drawn."""
    n, seed, d = sampling.n, sampling.seed, len(sampling.parameters)
    called = f"sample.{sampling.method}()"
    if not _is_whole(n) or n < 1:
        raise DeclarationError(f"{called}: the number of points is {short(n)}: give an int >= 1")
    if not _is_whole(seed) or seed < 0:
        raise DeclarationError(f"{called}: the seed is {short(seed)}: give an int >= 0")
    if not isinstance(sampling.scramble, bool):
        raise DeclarationError(f"{called}: scramble is {short(sampling.scramble)}, not a bool")
    if not d:
        raise DeclarationError(f"{called} got no parameters: give some, such as length=(0.1, 2.0)")
    if DIM in sampling.parameters:
        raise DeclarationError(
            f"{called}: {DIM!r} is the dimension of the points: give the parameter another name"
        )
    n_values = int(n) * d * (d + 2 if sampling.method == "saltelli" else 1)
    if n_values > MAX_VALUES:
        raise DeclarationError(
            f"{called}: {n_values:,} values of {d} parameters are more than the maximum "
            f"({MAX_VALUES:,}): draw fewer points"
        )
    return Sampling(
        sampling.method, int(n), int(seed), dict(sampling.parameters), sampling.scramble
    )


def _is_whole(number: Any) -> bool:
    return isinstance(number, numbers.Integral) and not isinstance(number, bool)


def _sobol(sampling: Sampling, n_dims: int, bits: int | None = None) -> Floats:
    if sampling.n & (sampling.n - 1):  # scipy says so when it draws, not of what was kept
        warnings.warn(
            "The balance properties of Sobol' points require n to be a power of 2.", stacklevel=4
        )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The balance properties of Sobol")
        return _sequence("Sobol", sampling, n_dims, scramble=sampling.scramble, bits=bits)


def _sequence(engine: str, sampling: Sampling, n_dims: int, **options: Any) -> Floats:
    """Draw with an engine of scipy.stats.qmc, which is imported if the draw is not stored."""

    def draw() -> Floats:
        from scipy.stats import qmc

        kind = getattr(qmc, engine)
        n_most = getattr(kind, "MAXDIM", n_dims)  # only Sobol' sequences have one
        if n_dims > n_most:
            raise DeclarationError(
                f"sample.{sampling.method}(): Sobol' sequences have at most {n_most:,} "
                f"dimensions, and {len(sampling.parameters):,} parameters need {n_dims:,}: "
                "sample.uniform() takes any number"
            )
        found: Floats = kind(n_dims, rng=sampling.seed, **options).random(sampling.n)
        return found

    settings = (engine, sampling.seed, *options.items())
    return draw_cache.once((sampling.n, n_dims), settings, draw)


def _saltelli(sampling: Sampling, n_dims: int) -> Floats:
    """Draw A and B as `scipy.stats.sobol_indices` does, with the points of each i together."""
    a, b = np.split(_sobol(sampling, 2 * n_dims, bits=64), 2, axis=1)
    rows = np.repeat(a[:, np.newaxis], n_dims + 2, axis=1)
    rows[:, 1] = b
    each = np.arange(n_dims)
    rows[:, 2 + each, each] = b
    return rows.reshape(-1, n_dims)


_METHODS: Mapping[str, Callable[[Sampling, int], Floats]] = {
    "sobol": _sobol,
    "halton": lambda s, n_dims: _sequence("Halton", s, n_dims, scramble=s.scramble),
    "latin_hypercube": lambda s, n_dims: _sequence("LatinHypercube", s, n_dims),
    "uniform": lambda s, n_dims: np.random.default_rng(s.seed).random((s.n, n_dims)),
    "saltelli": _saltelli,
}
