"""Distributions of sampled parameters: from probabilities to values, by the inverse of the CDF."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from sweeps.errors import DeclarationError
from sweeps.spaces.accept import accept
from sweeps.spaces.values import Values, short

Floats = npt.NDArray[np.float64]

_ALLOWED = (
    "(low, high), range(...), a list or 1-D array of choices, {'label': object, ...} or a frozen "
    "scipy.stats distribution such as stats.loguniform(1, 20)"
)

# Unscrambled sequences begin with 0, and 64 bits of a scrambled one may round to 1. Most
# distributions have infinity there, and scipy's discrete ones, at 0, one less than their least
# value. The largest float below 1 is 1 - 2**-53, 8.2 standard deviations from a normal
# distribution's mean; 2**-53 is as far on the other side.
_NEAREST_0 = 2.0**-53

_N_TOLD_APART = 2**53  # probabilities are floats, of 53 bits


def values_at(name: str, given: Any, probabilities: Floats) -> Values:
    """Find the quantiles of a parameter's distribution at given probabilities.

    Parameters
    ----------
    name : str
        The parameter, for messages.
    given : tuple, range, list, array_like, mapping or frozen distribution
        ``(low, high)`` is uniform between the two; what is in a range, list, array or mapping is
        equally likely.
    probabilities : numpy.ndarray
        Shape (n,), from 0 to 1, both included.

    Returns
    -------
    Values
        Table of n values, in the order of `probabilities`.

    Examples
    --------
    >>> values_at("x", (1, 3), np.array([0.0, 0.5])).array
    array([1., 2.])
    >>> values_at("order", range(2, 8, 2), np.array([0.0, 0.5, 1.0])).array
    array([2, 4, 6])
    """
    if isinstance(given, tuple):
        return accept(name, _between(name, given, probabilities))
    is_array = hasattr(given, "__array__") and not isinstance(given, np.generic)
    if is_array or isinstance(given, (range, list, Mapping)):
        return _chosen(name, given, probabilities)
    return accept(name, _quantiles(name, given, probabilities))


def _between(name: str, bounds: tuple[Any, ...], probabilities: Floats) -> Floats:
    """Uniform floats, as `scipy.stats.qmc.scale` makes them."""
    is_real = [isinstance(b, numbers.Real) and not isinstance(b, bool) for b in bounds]
    if len(bounds) != 2 or not all(is_real):
        raise DeclarationError(
            f"{name!r} is {short(bounds)}: a tuple is (low, high), two numbers; "
            "for choices give a list"
        )
    try:
        low, high = map(float, bounds)
    except OverflowError:
        low, high = -math.inf, math.inf
    if not math.isfinite(high - low):
        raise DeclarationError(
            f"{name!r} is {short(bounds)}: low, high and their difference must be finite floats"
        )
    if low >= high:
        raise DeclarationError(f"{name!r} is {short(bounds)}: low must be less than high")
    return np.clip(probabilities * (high - low) + low, low, high)  # the difference is rounded


def _chosen(name: str, given: Any, probabilities: Floats) -> Values:
    """Find quantiles where all values are equally likely."""
    if isinstance(given, range) and given:
        low, high = sorted((given[0], given[-1]))
        if low < -(2**63) or high >= 2**63 or (high - low) // abs(given.step) >= _N_TOLD_APART:
            raise DeclarationError(
                f"{name!r} is {short(given)}: integers of 64 bits are possible, and at most 2**53"
            )
    table = accept(name, given)
    if not len(table):
        raise DeclarationError(f"{name!r} is {short(given)}, which is empty: give at least one")
    index = (probabilities * len(table)).astype(np.int64)
    return table.select(np.minimum(index, len(table) - 1))


def _quantiles(name: str, given: Any, probabilities: Floats) -> npt.NDArray[Any]:
    """Values of a frozen distribution; integers where it is discrete."""
    if not (hasattr(given, "ppf") or hasattr(given, "icdf")):
        raise DeclarationError(
            f"{name!r} is {short(given)}, which is not a distribution: give {_ALLOWED}"
        )
    if isinstance(given, type) or hasattr(given, "freeze"):
        raise DeclarationError(
            f"{name!r} is {_named(given)} without parameters: call it with its parameters, "
            "such as stats.loguniform(1, 20)"
        )
    median = _inverse_of_cdf(name, given, 0.5)
    if median.ndim:
        raise DeclarationError(f"{name!r}: {_named(given)} has arrays as parameters: give numbers")
    found = _inverse_of_cdf(name, given, np.clip(probabilities, _NEAREST_0, 1 - _NEAREST_0))
    is_discrete = _has_mass(given, median)
    is_whole = (found == np.rint(found)) & (np.abs(found) < 2.0**63)
    wrong = np.flatnonzero(~(is_whole if is_discrete else np.isfinite(found)))
    if wrong.size:
        raise DeclarationError(
            f"{name!r}: {_named(given)} is {found[wrong[0]]} at the probability "
            f"{probabilities[wrong[0]]}: give one whose values are "
            f"{'integers of 64 bits' if is_discrete else 'finite numbers'}"
        )
    return found.astype(np.int64) if is_discrete else found


def _inverse_of_cdf(name: str, given: Any, probabilities: Floats | float) -> Floats:
    # scipy has two kinds: stats.norm(0, 1) has a ppf, stats.Normal(mu=0, sigma=1) an icdf.
    inverse = given.ppf if hasattr(given, "ppf") else given.icdf
    try:
        return np.asarray(inverse(probabilities), dtype=np.float64)
    except Exception as error:  # of someone else's
        raise DeclarationError(f"{name!r}: {_named(given)} raises {error!r}") from error


def _has_mass(given: Any, value: Floats) -> bool:
    """Whether a distribution is discrete: one of its values has a probability above 0."""
    try:
        return bool(given.pmf(value) > 0)
    except Exception:  # many have no pmf, and that of scipy 1.17's truncate(...) never returns
        return False


def _named(given: Any) -> str:
    """Name of a distribution; a frozen one has it from the distribution it was made of."""
    name = getattr(getattr(given, "dist", given), "name", None) or getattr(given, "__name__", None)
    return f"stats.{name}" if name else short(given)
