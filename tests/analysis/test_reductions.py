"""Laws of reductions: the numbers of numpy and scipy, missing replicates skipped, no warnings."""

import subprocess
import sys
import warnings

import numpy as np
import pytest
import scipy.stats
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

import sweeps
from sweeps import reductions
from sweeps.errors import SweepsError, UnknownNameError
from tests.sizes import examples

REDUCTIONS = [
    reductions.mean,
    reductions.standard_error,
    reductions.quantiles,
    reductions.over_replicates,
]

shapes = npst.array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=6)
numbers = st.floats(-1e6, 1e6, width=32)
with_gaps = npst.arrays(np.float64, shapes, elements=numbers | st.just(np.nan))


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def runs(values, **attrs):
    """Results whose last dimension is that of the replicates."""
    dims = (*"abcd"[: np.ndim(values) - 1], "replicate")
    return xr.Dataset({"y": (dims, values, attrs)}, {"a": range(len(values))})


@given(with_gaps)
def test_the_numbers_are_those_of_numpy_and_scipy(values):
    reduced = reductions.over_replicates(runs(values), q=[0.0, 0.3, 1.0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mean = np.nanmean(values, axis=-1)
        error = np.asarray(scipy.stats.sem(values, axis=-1, nan_policy="omit"), dtype=float)
        quantile = np.nanquantile(values, [0.0, 0.3, 1.0], axis=-1)
    close = {"rtol": 1e-9, "atol": 1e-6}
    np.testing.assert_allclose(reduced.y_mean, mean, **close)
    several = np.count_nonzero(~np.isnan(values), axis=-1) > 1
    np.testing.assert_allclose(reduced.y_standard_error.values[several], error[several], **close)
    assert np.isnan(reduced.y_standard_error.values[~several]).all()
    np.testing.assert_allclose(reduced.y_quantile, np.moveaxis(quantile, 0, -1), **close)


@examples(30)
@given(with_gaps, st.randoms(use_true_random=False))
def test_the_order_of_the_replicates_does_not_matter(values, random):
    order = list(range(values.shape[-1]))
    random.shuffle(order)
    one, other = (reductions.over_replicates(runs(v)) for v in (values, values[..., order]))
    xr.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-6)


@examples(30)
@given(with_gaps)
def test_missing_replicates_are_as_if_they_had_not_been(values):
    whole = np.concatenate([values, np.full_like(values, np.nan)], axis=-1)
    one, other = (reductions.over_replicates(runs(v)) for v in (values, whole))
    xr.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-6)


def test_the_standard_error_of_a_series_that_was_published():
    # W. S. Gosset's 10 sleep gains, Biometrika 6, 1 (1908), p. 20: mean 1.58 and standard deviation
    # 1.17, dividing by n; so that the standard error is 1.17 / sqrt(10 - 1).
    gains = [[1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]]
    reduced = reductions.over_replicates(runs(gains))
    assert float(reduced.y_mean[0]) == pytest.approx(1.58)
    assert float(reduced.y_standard_error[0]) == pytest.approx(1.17 / 3, abs=0.002)


@pytest.mark.parametrize("n_replicates", [0, 1])
def test_too_few_replicates_have_no_standard_error(n_replicates):
    reduced = reductions.over_replicates(runs(np.ones((3, n_replicates))))
    assert np.isnan(reduced.y_standard_error).all()
    expected = 1.0 if n_replicates else np.nan
    np.testing.assert_array_equal(reduced.y_mean, [expected] * 3)
    np.testing.assert_array_equal(reduced.y_quantile, [[expected] * 3] * 3)


def test_infinities_give_what_numpy_makes_of_them():
    values = np.array([[1.0, np.inf, np.inf], [-np.inf, 0.0, np.inf]])
    reduced = reductions.over_replicates(runs(values))
    np.testing.assert_array_equal(reduced.y_mean, [np.inf, np.nan])
    assert np.isnan(reduced.y_standard_error).all()
    with np.errstate(invalid="ignore"):
        expected = np.quantile(values, [0.05, 0.5, 0.95], axis=-1).T
    np.testing.assert_array_equal(reduced.y_quantile, expected)


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint8, np.int64, np.float32])
def test_every_real_number_is_reduced_as_float64(dtype):
    values = np.array([[0, 1, 1, 100]]).astype(dtype)
    reduced = reductions.over_replicates(runs(values))
    assert {v.dtype for v in reduced.data_vars.values()} == {np.dtype(float)}
    assert float(reduced.y_mean[0]) == values.astype(float).mean()
    assert float(reduced.y_standard_error[0]) == pytest.approx(scipy.stats.sem(values[0] * 1.0))


def test_a_sum_of_single_precision_loses_nothing():
    values = np.full((1, 10**6), 0.1, dtype=np.float32)
    assert float(reductions.mean(runs(values)).y[0]) == pytest.approx(
        float(values[0, 0]), rel=1e-12
    )


def test_complex_numbers_have_a_mean_and_a_standard_error_but_no_order():
    values = np.array([[1 + 1j, 3 - 1j, 2.0]])
    reduced = reductions.over_replicates(runs(values))
    assert list(reduced) == ["y_mean", "y_standard_error"]
    assert complex(reduced.y_mean[0]) == 2
    parts = [scipy.stats.sem(part) ** 2 for part in (values[0].real, values[0].imag)]
    assert float(reduced.y_standard_error[0]) == pytest.approx(np.sqrt(sum(parts)))


def test_only_numbers_along_the_dimension_are_reduced_and_coordinates_stay():
    ds = xr.Dataset(
        {
            "y": (("x", "seed", "time"), np.ones((2, 3, 4))),
            "word": (("x", "seed"), np.full((2, 3), "a", object)),
            "when": (("x", "seed"), np.zeros((2, 3), "M8[us]")),
            "exact": ("x", [1.0, 2.0]),
        },
        {"x": [0.5, 1.5], "label": ("x", ["a", "b"]), "g": 9.81, "seed": [3, 4, 5]},
        {"source": "provenance is that of the file, not of the summary"},
    )
    for reduce in REDUCTIONS:
        reduced = reduce(ds, dim="seed")
        assert {str(name).partition("_")[0] for name in reduced} == {"y"}
        assert set(reduced.coords) - {"quantile"} == {"x", "label", "g"}
        assert all(a.dims[:2] == ("x", "time") for a in reduced.data_vars.values())
        assert reduced.attrs == {}
    assert reductions.quantiles(ds, dim="seed").y.dims == ("x", "time", "quantile")


def test_units_are_kept_and_the_mean_is_told_in_the_words_of_cf():
    ds = runs(np.ones((2, 3)), units="m", cell_methods="time: maximum", standard_name="altitude")
    reduced = reductions.over_replicates(ds)
    assert {a.attrs["units"] for a in reduced.data_vars.values()} == {"m"}
    assert reduced.y_mean.attrs["cell_methods"] == "time: maximum replicate: mean"
    assert reduced.y_standard_error.attrs["standard_name"] == "altitude standard_error"
    assert reduced.y_quantile.attrs["cell_methods"] == "time: maximum"
    assert ds.y.attrs["cell_methods"] == "time: maximum"


@pytest.mark.parametrize("reduce", REDUCTIONS)
def test_a_dimension_that_is_not_there_is_told(reduce):
    ds = runs(np.ones((2, 3))).rename(replicate="replica")
    with pytest.raises(UnknownNameError, match=r"'replicate'.*found: a, replica.*mean 'replica'"):
        reduce(ds)


@pytest.mark.parametrize("reduce", REDUCTIONS)
def test_words_cannot_be_reduced(reduce):
    with pytest.raises(SweepsError, match="no output has numbers along 'replicate'"):
        reduce(xr.Dataset({"y": ("replicate", ["a", "b"])}))


@pytest.mark.parametrize("q", [1.5, -0.1, [0.5, np.nan], [], [[0.5]], 50])
def test_quantiles_lie_between_0_and_1(q):
    with pytest.raises(SweepsError, match="numbers from 0 to 1"):
        reductions.quantiles(runs(np.ones((2, 3))), q=q)


def test_a_quantile_that_is_there_already_is_told():
    ds = runs(np.ones((2, 3))).rename(a="quantile")
    with pytest.raises(SweepsError, match="already have a 'quantile'"):
        reductions.quantiles(ds)


def test_a_single_quantile_keeps_its_dimension():
    found = reductions.quantiles(runs([[1.0, 2.0, 6.0]]), q=0.5).y
    assert (found.dims, found.values.tolist()) == (("a", "quantile"), [[2.0]])


def test_the_package_has_them_and_does_not_import_xarray_for_it():
    code = (
        "import sys, sweeps; made = sweeps.reductions.mean; "
        "sys.exit('xarray' in sys.modules or 'scipy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert sweeps.reductions is reductions
    assert "reductions" in dir(sweeps)
