"""Laws of Sobol' indices: those of scipy, of every form of output, from Saltelli's design only."""

import numpy as np
import pytest
import xarray
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sweeps import sample, sobol_indices
from sweeps.errors import SweepsError, UnknownNameError

PARAMETERS = {"x": (-1.0, 2.0), "y": stats.norm(0.5, 2.0), "z": stats.loguniform(1, 20)}


pytestmark = pytest.mark.filterwarnings("ignore:The balance properties of Sobol")


def f(x, y, z):
    return x + y**2 * np.log(z) + x * z


def design(n, seed=0, /, **outputs):
    """A dataset as it is loaded, of functions of arrays of the parameters."""
    return dataset(sample.saltelli(n, seed=seed, **PARAMETERS), **outputs)


def dataset(space, **outputs):
    columns = {name: c.table.coordinate(c.codes) for name, c in space.columns.items()}
    variables = {}
    for name, output in outputs.items():
        values = output(**columns)
        variables[name] = (("sample", "p", "q")[: values.ndim], values)
    along = {name: ("sample", values) for name, values in columns.items()}
    return xarray.Dataset(variables, {**along, "constant": 9.81})


@given(log2_n=st.integers(0, 7), seed=st.integers(0, 2**32))
def test_the_indices_are_those_of_scipy_on_its_own_sample(log2_n, seed):
    n = 2**log2_n
    distributions = [stats.uniform(-1, 3), PARAMETERS["y"], PARAMETERS["z"]]
    expected = stats.sobol_indices(func=lambda x: f(*x), n=n, dists=distributions, rng=seed)
    found = sobol_indices(design(n, seed, f=f))
    np.testing.assert_allclose(found.first_order, expected.first_order, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.total_order, expected.total_order, rtol=1e-9, atol=1e-9)


def test_the_indices_are_labelled():
    found = sobol_indices(design(8, f=f))
    assert set(found.data_vars) == {"first_order", "total_order"}
    assert found.parameter.values.tolist() == ["x", "y", "z"]
    assert found.first_order.dims == found.total_order.dims == ("parameter",)
    assert found.first_order.attrs == {"long_name": "first-order Sobol' index of f", "units": "1"}
    assert float(found.constant) == 9.81


def of_shape(**given):
    return np.stack([f(**given), given["x"] + 0 * given["z"]], axis=1)


def of_more(**given):
    return np.stack([of_shape(**given), -3 * of_shape(**given), 7 + of_shape(**given)], axis=2)


@pytest.mark.parametrize("order", ["pq", "qp"])
def test_every_element_of_an_array_has_the_indices_that_it_has_alone(order):
    ds = design(16, f=of_more).assign_coords(q=["a", "b", "c"]).transpose(*order, "sample")
    found = sobol_indices(ds)
    assert found.first_order.dims == ("parameter", *order)
    assert found.q.values.tolist() == ["a", "b", "c"]
    for p in range(2):
        for q in range(3):
            alone = sobol_indices(ds.isel(p=p, q=q))
            xarray.testing.assert_allclose(
                found.isel(p=p, q=q, drop=True), alone.drop_vars("q"), rtol=1e-9
            )


@pytest.mark.parametrize("dtype", [np.float32, np.int16, np.uint64, bool])
def test_real_numbers_of_any_kind_have_indices(dtype):
    ds = design(8, f=lambda **given: (10 * np.abs(f(**given))).astype(dtype))
    expected = sobol_indices(ds.astype(float))
    xarray.testing.assert_allclose(sobol_indices(ds), expected)


def test_an_output_that_never_changes_has_none():
    found = sobol_indices(design(8, f=lambda x, y, z: 0.1 + 0 * x))
    assert (found.to_dataarray() == 0).all()


def test_whole_base_points_are_the_sample_of_fewer():
    ds = design(16, f=f)
    half = sobol_indices(ds.isel(sample=slice(40)))
    xarray.testing.assert_identical(half, sobol_indices(design(8, f=f)))


def saltelli_2010(values, kept):
    """Table 2, (b) and (f), and eq. 2, of Saltelli et al., Comput. Phys. Commun. 181, 259."""
    a, b, *ab = values.reshape(-1, 5)[kept].T
    mean, variance = np.mean([a, b]), np.var([a, b])
    first = [np.mean((b - mean) * (each - a)) / variance for each in ab]
    return first, [np.mean((a - each) ** 2) / 2 / variance for each in ab]


@given(st.data())
def test_base_points_that_miss_some_are_left_out_where_asked(data):
    n = data.draw(st.integers(3, 20))
    ds = design(n, f=f)
    kept = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    kept[:2] = True
    for base in np.flatnonzero(~kept):
        at = 5 * base + data.draw(st.integers(0, 4))
        ds.f[at] = data.draw(st.sampled_from([np.nan, np.inf]))
    found = sobol_indices(ds, skipna=True)
    first, total = saltelli_2010(ds.f.values, kept)
    np.testing.assert_allclose(found.first_order, first, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.total_order, total, rtol=1e-9, atol=1e-12)


def test_elements_that_no_base_point_has_in_full_have_no_indices():
    ds = design(4, f=of_shape)
    ds.f[::5, 1] = np.nan
    found = sobol_indices(ds, skipna=True)
    assert found.isel(p=1).to_dataarray().isnull().all()
    xarray.testing.assert_allclose(found.isel(p=0), sobol_indices(ds.isel(p=0)))


def test_missing_points_are_counted():
    ds = design(8, f=f)
    ds.f[[1, 2, 39]] = np.nan
    with pytest.raises(SweepsError, match=r"at 3 of 40 points, in 2 of 8 base points.*skipna=True"):
        sobol_indices(ds)


def test_one_of_several_outputs_is_asked_for():
    ds = design(8, f=f, g=lambda x, y, z: y, text=lambda x, y, z: x.astype(str))
    with pytest.raises(SweepsError, match=r"2 numeric outputs along 'sample' \(f, g\): name one"):
        sobol_indices(ds)
    xarray.testing.assert_identical(sobol_indices(ds, "f"), sobol_indices(ds[["f"]]))
    of_y = sobol_indices(design(2**10, g=lambda x, y, z: y)).total_order
    np.testing.assert_allclose(of_y, [0, 1, 0], atol=0.01)


def test_coordinates_that_are_no_parameters_are_told_apart_by_naming_those_that_are():
    ds = design(8, f=f)
    more = ds.assign_coords(sum=ds.x + ds.y)
    with pytest.raises(SweepsError, match=r"not a Saltelli design of x, y, z, sum.*parameters=\["):
        sobol_indices(more)
    found = sobol_indices(more, parameters=["x", "y", "z"])
    xarray.testing.assert_identical(found, sobol_indices(ds))
    numbered = ds.assign_coords(sample=range(40))
    xarray.testing.assert_identical(found, sobol_indices(numbered))


def test_an_output_without_elements_has_no_indices():
    empty = design(4, f=of_shape).isel(p=slice(0, 0))
    assert sobol_indices(empty).first_order.shape == (3, 0)


@pytest.mark.parametrize("other", ["sobol", "halton", "latin_hypercube", "uniform"])
def test_other_samples_are_refused(other):
    ds = dataset(getattr(sample, other)(40, **PARAMETERS), f=f)
    with pytest.raises(SweepsError, match=r"not a Saltelli design.*with sweeps.sample.saltelli"):
        sobol_indices(ds)


def two_exchanged(ds):
    rows = np.arange(ds.sizes["sample"])
    rows[[1, 2]] = rows[[2, 1]]
    return ds.isel(sample=rows)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda ds: two_exchanged(ds), "not a Saltelli design"),
        (lambda ds: ds.isel(sample=slice(1, None)), "the 39 points are not a Saltelli design"),
        (lambda ds: ds.isel(sample=slice(0, 0)), "not a Saltelli design"),
        (lambda ds: ds.isel(sample=slice(None, None, -1)), "not a Saltelli design"),
        (lambda ds: ds.assign_coords(x=ds.x + np.spacing(ds.y)), "not a Saltelli design"),
        (lambda ds: ds.assign_coords(x=ds.x.where(ds.x > 0)), "not a Saltelli design"),
        (lambda ds: ds.isel(sample=0), "no dimension 'sample'"),
        (lambda ds: ds.drop_vars(["x", "y"]), "1 parameters along 'sample'"),
        (lambda ds: ds.drop_vars("f"), "0 numeric outputs"),
        (lambda ds: ds.assign(f=ds.f * 1j), "0 numeric outputs"),
        (lambda ds: ds.expand_dims(parameter=2), "'parameter': rename it"),
    ],
)
def test_what_is_no_design_is_refused(change, reason):
    with pytest.raises(SweepsError, match=reason):
        sobol_indices(change(design(8, f=f)))


def test_wrong_names_are_refused():
    ds = design(8, force=f, text=lambda x, y, z: x.astype(str))
    with pytest.raises(UnknownNameError, match=r"no output 'forse'.*Did you mean 'force'"):
        sobol_indices(ds, "forse")
    with pytest.raises(SweepsError, match="'text' has the dtype <U"):
        sobol_indices(ds, "text")
    with pytest.raises(UnknownNameError, match="no parameter 'xx'"):
        sobol_indices(ds, parameters=["xx", "y"])
