"""Which parameters the variance of an output comes from."""

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
    """Estimate Sobol' indices of an output over a space made by `sweeps.sample.saltelli`.

    Parameters
    ----------
    ds : xarray.Dataset
        Loaded results.
    output : str, optional
        A numeric one; not needed where there is no other.
    parameters : sequence of str, optional
        The sampled parameters, in the order in which they were given; by default all coordinates
        along `sample`.
    skipna : bool
        Whether to leave out base points of which any point is missing, instead of refusing.
        Where points fail for some parameters rather than others, what is left is biased.

    Returns
    -------
    xarray.Dataset
        `first_order` and `total_order`, float64, along `parameter` and all dimensions of the
        output but `sample`. NaN where no base point is left; 0 for an output that is constant.

    Raises
    ------
    UnknownNameError
        For an output or parameter that is not there.
    SweepsError
        For points that are no such design, missing points, and outputs that are no real numbers.

    See Also
    --------
    scipy.stats.sobol_indices : The estimator: A. Saltelli et al., Comput. Phys. Commun. 181, 259
        (2010), table 2, (b) and (f).
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
    """Find the output that is asked for, or the only one, `sample` being its first dimension."""
    if _DIM not in ds.dims:
        raise SweepsError(f"the dataset has no dimension {_DIM!r}, only {[*ds.dims]}: {_MAKE_IT}")
    numeric = [str(n) for n, v in ds.data_vars.items() if _DIM in v.dims and v.dtype.kind in "biuf"]
    if name is None and len(numeric) != 1:
        raise SweepsError(
            f"the dataset has {len(numeric)} numeric outputs along {_DIM!r}"
            + (f" ({', '.join(numeric)}): give one, as output={numeric[0]!r}" if numeric else "")
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
    """Check that points are A_i, B_i, AB_i, ...; values of shape (n, d + 2, n_elements)."""
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
            f"{_MAKE_IT}; if more than its parameters vary along it, name them: "
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
    # scipy takes a power of 2 base points. One whose values are all the mean adds nothing to
    # the sums of the estimator, over and under the line: so it stands for those left out.
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
