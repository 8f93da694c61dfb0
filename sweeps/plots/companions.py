"""Outputs that belong to others by their names: standard errors, quantiles, exact values."""

from __future__ import annotations

import dataclasses

from sweeps.plots.content import Content

_ERROR, _QUANTILE, _MEAN, _EXACT = "_standard_error", "_quantile", "_mean", "exact_"


@dataclasses.dataclass(frozen=True)
class Companions:
    """Which outputs are drawn in the panels of others.

    Attributes
    ----------
    leaders : tuple of str
        Outputs that have panels.
    error, quantile : dict of str to str
        Output to the variable with its standard errors or quantiles.
    beside : dict of str to tuple of str
        Output to those that are drawn in its panel.
    """

    leaders: tuple[str, ...]
    error: dict[str, str]
    quantile: dict[str, str]
    beside: dict[str, tuple[str, ...]]


def companions(content: Content) -> Companions:
    """Find them by the names that `sweeps.reductions` gives, and ``exact_NAME``."""
    names = content.outputs
    dims = {name: content.dataset[name].dims for name in names}
    error, quantile = {}, {}
    beside: dict[str, tuple[str, ...]] = {}
    for name in names:
        stem = name.removesuffix(_MEAN)
        same = f"{stem}{_ERROR}"
        if same in dims and set(dims[same]) == set(dims[name]) and same != name:
            error[name] = same
        more = f"{stem}{_QUANTILE}"
        if more in dims and set(dims[more]) == {*dims[name], "quantile"}:
            quantile[name] = more
        exact = f"{_EXACT}{name}"
        if exact in dims and set(dims[exact]) == set(dims[name]):
            beside[name] = (exact,)
    taken = {*error.values(), *quantile.values()}.union(*beside.values())
    return Companions(tuple(n for n in names if n not in taken), error, quantile, beside)
