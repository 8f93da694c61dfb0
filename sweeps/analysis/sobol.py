"""Sobol' indices: how much of the variance of an output comes from each parameter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sweeps.errors import SweepsError, unknown

if TYPE_CHECKING:
    import xarray


_DIM = "sample"

_MAKE_IT = "make one with sweeps.sample.saltelli(1024, ...)"


def sobol_indices(
    ds: xarray.Dataset,
    output: str | None = None,
    *,
    parameters: Sequence[str] | None = None,
    skipna: bool = False,
) -> xarray.Dataset:
    """Estimate Sobol' indices of an output over a space that `sweeps.sample.saltelli` made.

    Parameters
    ----------
    ds : xarray.Dataset
        Loaded results.
    output : str, optional
        A numeric output; you need not name it if there is only one.
    parameters : sequence of str, optional
        The sampled parameters, in the order in which you gave them to `saltelli`; by default all
        coordinates along `sample`.
    skipna : bool
        Whether to leave out base points with missing points, instead of refusing them. If points
        fail more often for some parameters than for others, the indices are then biased.

    Returns
    -------
    xarray.Dataset
        `first_order` and `total_order`, float64, along `parameter` and all dimensions of the
        output except `sample`. NaN if no base point is left; 0 if the output is constant.

    Raises
    ------
    UnknownNameError
        If there is no such output or parameter.
    SweepsError
        If the points are not such a design, if points are missing, or if the output is not real.

    See Also
    --------
    scipy.stats.sobol_indices : The estimator, from A. Saltelli et al., Comput. Phys. Commun. 181,
        259 (2010), table 2, (b) and (f).
    """
    import xarray

    array = _output(ds, output)
    names = _parameters(ds, parameters)
    values = _by_base_point(ds, names, array)
    _refuse_missing(array, values, skipna)
    first, total = _estimate(values)
    rest = array.isel({_DIM: 0})
    coords = {name: c for name, c in array.coords.items() if _DIM not in c.dims}

    def labelled(indices: npt.NDArray[np.float64], order: str) -> xarray.DataArray:
        return xarray.DataArray(
            indices.reshape(len(names), *rest.shape),
            {**coords, "parameter": list(names)},
            ("parameter", *rest.dims),
            attrs={"long_name": f"{order} Sobol' index of {array.name}", "units": "1"},
        )

    return xarray.Dataset(
        {"first_order": labelled(first, "first-order"), "total_order": labelled(total, "total")}
    )


def _output(ds: xarray.Dataset, name: str | None) -> xarray.DataArray:
    """Find the named output, or the only one; make `sample` its first dimension."""
    if _DIM not in ds.dims:
        raise SweepsError(f"the dataset has no dimension {_DIM!r}, only {[*ds.dims]}: {_MAKE_IT}")
    numeric = [str(n) for n, v in ds.data_vars.items() if _DIM in v.dims and v.dtype.kind in "biuf"]
    if name is None and len(numeric) != 1:
        raise SweepsError(
            f"the dataset has {len(numeric)} numeric outputs along {_DIM!r}"
            + (f" ({', '.join(numeric)}): name one: output={numeric[0]!r}" if numeric else "")
        )
    name = numeric[0] if name is None else name
    if name not in ds.data_vars:
        raise unknown("output", name, numeric)
    array = ds[name]
    if name not in numeric:
        raise SweepsError(
            f"output {name!r} has the dtype {array.dtype} and dimensions {array.dims}: "
            f"indices need real numbers along {_DIM!r}"
        )
    if "parameter" in array.dims or "parameter" in array.coords:
        raise SweepsError(f"output {name!r} has a dimension or coordinate 'parameter': rename it")
    return array.transpose(_DIM, ...)


def _parameters(ds: xarray.Dataset, given: Sequence[str] | None) -> tuple[str, ...]:
    along = [str(name) for name, c in ds.coords.items() if c.dims == (_DIM,) and name != _DIM]
    names = tuple(along if given is None else given)
    for name in names:
        if name not in along:
            raise unknown("parameter", name, along, f"along {_DIM!r}")
    if len(names) < 2:
        raise SweepsError(
            f"the dataset has {len(names)} parameters along {_DIM!r}: Sobol' indices need "
            "at least two"
        )
    return names


def _by_base_point(
    ds: xarray.Dataset, names: Sequence[str], array: xarray.DataArray
) -> npt.NDArray[np.float64]:
    """Check that points are A_i, B_i, AB_i, ...; return values, shape (n, d + 2, n_elements)."""
    shape = ds.sizes[_DIM] // (len(names) + 2), len(names) + 2
    is_design = shape[0] > 0 and ds.sizes[_DIM] == shape[0] * shape[1]
    for i, name in enumerate(names if is_design else ()):
        rows: npt.NDArray[Any] = ds[name].to_numpy().reshape(shape)
        expected = np.repeat(rows[:, :1], shape[1], axis=1)
        expected[:, [1, 2 + i]] = rows[:, 1:2]
        is_design = is_design and bool((rows == expected).all())
    if not is_design:
        raise SweepsError(
            f"the {ds.sizes[_DIM]} points are not a Saltelli design of {', '.join(names)}: "
            f"{_MAKE_IT}; if other coordinates lie along {_DIM!r}, too, name the parameters: "
            "parameters=[...]"
        )
    return array.to_numpy().astype(np.float64).reshape(*shape, math.prod(array.shape[1:]))


def _refuse_missing(array: xarray.DataArray, values: npt.NDArray[np.float64], skipna: bool) -> None:
    missing: npt.NDArray[np.bool_] = np.any(~np.isfinite(values), axis=2)  # of points
    if missing.any() and not skipna:
        n, n_bases = int(missing.sum()), int(missing.any(axis=1).sum())
        raise SweepsError(
            f"output {array.name!r} is missing or not finite at {n:,} of {missing.size:,} "
            f"points, in {n_bases:,} of {len(missing):,} base points: see why with `python "
            "-m sweeps failures`, or skip these base points with skipna=True"
        )


def _estimate(
    values: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """First and total indices, each of shape (d, n_elements)."""
    from scipy.stats import sobol_indices

    is_whole = np.isfinite(values).all(axis=1, keepdims=True)
    # scipy requires a power of 2 base points. A base point whose values all equal the mean adds
    # nothing to the sums in numerator and denominator, so it can stand in for each one left out.
    n_whole = is_whole.sum(axis=0)
    mean = np.where(is_whole, values[:, :2], 0).sum(axis=(0, 1)) / (2 * np.maximum(n_whole, 1))
    n, n_rows, n_elements = values.shape
    filled = np.empty((1 << (n - 1).bit_length(), n_rows, n_elements))
    filled[:] = mean
    filled[:n] = np.where(is_whole, values, mean)
    by_row = np.moveaxis(filled, 0, -1)  # shape (d + 2, n_elements, n)
    found = sobol_indices(
        func={"f_A": by_row[0], "f_B": by_row[1], "f_AB": by_row[2:]}, n=len(filled)
    )
    shape = n_elements, n_rows - 2
    first, total = (each.reshape(shape).T for each in (found.first_order, found.total_order))
    return np.where(n_whole > 0, first, np.nan), np.where(n_whole > 0, total, np.nan)
