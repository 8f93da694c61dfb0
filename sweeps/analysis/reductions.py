"""Reductions over replicates: mean, standard error and quantiles. A summary can return them.

They take loaded results and reduce every output that has numbers along a dimension. Missing
replicates are skipped; if all are missing, the result is missing. Integers and booleans are
converted to float64, so the mean of a boolean is the fraction of points where it is true.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sweeps.errors import SweepsError, unknown

if TYPE_CHECKING:
    import xarray


__all__ = ["mean", "over_replicates", "quantiles", "standard_error"]

REPLICATE = "replicate"

QUANTILE = "quantile"

_QUANTILES = (0.05, 0.5, 0.95)


def mean(ds: xarray.Dataset, dim: str = REPLICATE) -> xarray.Dataset:
    """Average the outputs over a dimension.

    Parameters
    ----------
    ds : xarray.Dataset
        Results, as `sweeps.load` returns them.
    dim : str
        Dimension to reduce.

    Returns
    -------
    xarray.Dataset
        The outputs that have numbers along `dim`, with their attributes, and the cell method
        ``mean`` of CF.

    Raises
    ------
    SweepsError
        If there is no such dimension, or no output has numbers along it.

    Examples
    --------
    >>> import xarray
    >>> runs = xarray.Dataset({"size": ("replicate", [1.0, 2.0, float("nan")])})
    >>> float(mean(runs).size)
    1.5
    """

    def reduce(array: xarray.DataArray) -> xarray.DataArray:
        with np.errstate(invalid="ignore"):  # infinities of both signs have no mean
            reduced = array.mean(dim, skipna=True)
        methods = [array.attrs.get("cell_methods"), f"{dim}: mean"]
        attrs = {**array.attrs, "cell_methods": " ".join(filter(None, methods))}
        return reduced.assign_attrs(attrs)

    return _reduced(ds, dim, reduce)


def standard_error(ds: xarray.Dataset, dim: str = REPLICATE) -> xarray.Dataset:
    """Estimate the standard error of the mean over a dimension.

    This is the standard deviation of the present values (n - 1 degrees of freedom), divided by the
    square root of n; NaN if there are fewer than two values.

    Parameters
    ----------
    ds, dim
        As for `mean`.

    Returns
    -------
    xarray.Dataset
        The outputs that have numbers along `dim`, with their attributes. A standard name gets the
        modifier ``standard_error`` of CF.

    Raises
    ------
    SweepsError
        As for `mean`.

    Examples
    --------
    >>> import xarray
    >>> runs = xarray.Dataset({"size": ("replicate", [1.0, 3.0, float("nan")])})
    >>> float(standard_error(runs).size)
    1.0
    """

    def reduce(array: xarray.DataArray) -> xarray.DataArray:
        is_there = array.notnull()
        n = is_there.sum(dim)
        with np.errstate(invalid="ignore"):  # infinities have no standard error
            squares = abs(array - array.mean(dim, skipna=True)) ** 2
            variance = squares.where(is_there, 0).sum(dim, skipna=False) / (n - 1).where(n > 1)
            reduced = (variance / n) ** 0.5
        attrs = dict(array.attrs)
        if "standard_name" in attrs:
            attrs["standard_name"] += " standard_error"
        return reduced.assign_attrs(attrs)

    return _reduced(ds, dim, reduce)


def quantiles(
    ds: xarray.Dataset, q: npt.ArrayLike = _QUANTILES, dim: str = REPLICATE
) -> xarray.Dataset:
    """Compute quantiles of the outputs over a dimension, as `numpy.quantile` does by default.

    Parameters
    ----------
    ds, dim
        As for `mean`.
    q : array_like
        Numbers from 0 to 1.

    Returns
    -------
    xarray.Dataset
        The outputs that have real numbers along `dim`, with their attributes. The last dimension
        is ``quantile``. Complex outputs are left out, since complex numbers have no order.

    Raises
    ------
    SweepsError
        As for `mean`, and if `q` is not between 0 and 1.

    Examples
    --------
    >>> import xarray
    >>> runs = xarray.Dataset({"size": ("replicate", [1.0, 2.0, 3.0, float("nan")])})
    >>> quantiles(runs, q=[0.5, 1.0]).size.values
    array([2., 3.])
    """
    import xarray

    levels = np.atleast_1d(np.asarray(q, dtype=float))
    if levels.ndim != 1 or not levels.size or not ((levels >= 0) & (levels <= 1)).all():
        raise SweepsError(f"q is {q!r}: give numbers from 0 to 1, such as {_QUANTILES}")
    if QUANTILE in {*ds.dims, *ds.coords}:
        raise SweepsError(
            f"the results already have a {QUANTILE!r}, which is the name of the new "
            f"dimension: rename it with ds.rename({QUANTILE}=...)"
        )

    def reduce(array: xarray.DataArray) -> xarray.DataArray:
        reduced: xarray.DataArray = xarray.apply_ufunc(
            _quantiles,
            array,
            kwargs={"q": levels},
            input_core_dims=[[dim]],
            output_core_dims=[[QUANTILE]],
        )
        return reduced.assign_coords({QUANTILE: levels}).assign_attrs(array.attrs)

    return _reduced(ds, dim, reduce, kinds="f")


def _quantiles(
    values: npt.NDArray[np.floating[Any]], q: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Quantiles along the last axis, without NaN.

    Rows with the same number of values are handled together; `numpy.nanquantile` handles each row
    separately, which is slower.
    """
    in_order = np.sort(values, axis=-1)  # NaN comes last
    n_there = np.count_nonzero(~np.isnan(in_order), axis=-1)
    found = np.full((*n_there.shape, len(q)), np.nan)
    for n in np.unique(n_there[n_there > 0]):
        rows = n_there == n
        with np.errstate(invalid="ignore"):  # between two infinities
            found[rows] = np.quantile(in_order[rows][:, :n], q, axis=-1).T
    return found


def over_replicates(
    ds: xarray.Dataset, q: npt.ArrayLike = _QUANTILES, dim: str = REPLICATE
) -> xarray.Dataset:
    """Compute mean, standard error and quantiles of the outputs over a dimension.

    Parameters
    ----------
    ds, q, dim
        As for `quantiles`.

    Returns
    -------
    xarray.Dataset
        ``size_mean``, ``size_standard_error`` and ``size_quantile`` for an output ``size``.

    Raises
    ------
    SweepsError
        As for `quantiles`.

    Examples
    --------
    >>> import xarray
    >>> runs = xarray.Dataset({"size": ("replicate", [1.0, 2.0, 3.0])})
    >>> list(over_replicates(runs))
    ['size_mean', 'size_standard_error', 'size_quantile']
    """
    import xarray

    parts = {
        "mean": mean(ds, dim),
        "standard_error": standard_error(ds, dim),
        "quantile": quantiles(ds, q, dim),
    }
    return xarray.Dataset(
        {
            f"{name}_{what}": part[name]
            for name in parts["mean"]
            for what, part in parts.items()
            if name in part
        }
    )


def _reduced(
    ds: xarray.Dataset,
    dim: str,
    reduce: Callable[[xarray.DataArray], xarray.DataArray],
    kinds: str = "fc",
) -> xarray.Dataset:
    import xarray

    found = {name: array for name, array in _numbers(ds, dim).items() if array.dtype.kind in kinds}
    return xarray.Dataset({name: reduce(array) for name, array in found.items()})


def _numbers(ds: xarray.Dataset, dim: str) -> dict[Any, xarray.DataArray]:
    """Select the outputs that have numbers along a dimension, as float64 or complex128."""
    if dim not in ds.dims:
        raise unknown("dimension", dim, map(str, ds.dims), "in the results")
    found = {
        name: array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)
        for name, array in ds.data_vars.items()
        if dim in array.dims and array.dtype.kind in "biufc"
    }
    if not found:
        raise SweepsError(f"no output has numbers along {dim!r}: nothing to reduce")
    return found
