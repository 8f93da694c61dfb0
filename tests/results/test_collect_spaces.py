"""Landed dimensions and coordinates follow the algebra of spaces."""

import datetime
import enum

import h5py
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given

import sweeps
from sweeps import experiment, grid, points, zipped
from sweeps.spaces.values import label
from sweeps.storage.hdf5 import STATUS
from tests.sizes import examples
from tests.strategies import said, samples, spaces


class Scheme(enum.Enum):
    UPWIND = 1
    CENTRAL = 2


def land(space, results, function=None, **options):
    """Compute a space, and load what landed."""
    made = experiment(space, name="landed", version=1, **options)(
        function or (lambda **parameters: said(parameters))
    )
    return sweeps.run(made, engine="serial", results=results)


def shown(table, value):
    """Show a value as its coordinate does."""
    return label(value) if table.kind == "label" else value


def check(space, dataset):
    """Every point finds its own parameters, and its own value, where the algebra puts it."""
    assert {dim: dataset.sizes[dim] for dim in space.dims} == space.sizes
    places = np.unravel_index(space.positions(0, len(space)), tuple(space.sizes.values()))
    for point, at in zip(space, np.transpose(places).tolist(), strict=True):
        place = dict(zip(space.dims, at, strict=True))
        assert dataset.landed[place].item() == said(point)
        for name in space.parameters:
            if name not in dataset.coords:
                assert not any(name in p for p in space)
                continue
            assert dataset[name].dims == space.dims_of(name)
            found = dataset[name][{d: place[d] for d in space.dims_of(name)}].item()
            if name in point:
                assert found == shown(space.columns[name].table, point[name])
            else:
                assert pd.isna(found)
    assert dataset.landed.notnull().sum() == len(space)


@given(spaces())
@examples(25)
def test_a_landed_space_is_the_space(tmp_path_factory, made):
    space, expected = made
    if expected:
        check(space, land(space, tmp_path_factory.mktemp("results")))


@given(spaces(leaves=(samples,)))
@examples(10)
def test_repeated_rows_land_where_they_stand(tmp_path_factory, made):
    space, expected = made
    if expected:
        check(space, land(space, tmp_path_factory.mktemp("results")))


KINDS = {
    "int": ([2, 4], [2.0, 4.0]),
    "negative": ([-127, -(2**53)], [-127.0, -(2.0**53)]),
    "float": ([0.5, 1e300], [0.5, 1e300]),
    "str": (["low", ""], ["low", ""]),
    "bool": ([True, False], [1, 0]),
    "date": (
        [datetime.date(2020, 2, 29), datetime.date(1, 1, 1)],
        [np.datetime64("2020-02-29"), np.datetime64("0001-01-01")],
    ),
    "time": ([datetime.datetime(2020, 2, 29, 12)], [np.datetime64("2020-02-29T12")]),
    "timedelta": ([datetime.timedelta(1), -datetime.timedelta.resolution], [10**6 * 86400, -1]),
    "object": ({"root": abs, "length": len}, ["root", "length"]),
    "enum": ([Scheme.UPWIND, Scheme.CENTRAL], ["UPWIND", "CENTRAL"]),
    "mixed": ([None, 1, "a", (1, 2)], ["None", "1", "a", "(1, 2)"]),
}


def integrate(method, order=None):
    return 1.0 if order is None else 2.0


@pytest.mark.parametrize(("values", "expected"), KINDS.values(), ids=KINDS)
def test_a_parameter_of_some_points_only_lands_masked(values, expected, tmp_path):
    space = grid(method=["rk4"]) * grid(order=values) + grid(method=["euler"])
    land(space, tmp_path, integrate)
    coder = xr.coders.CFDatetimeCoder(time_unit="us")
    is_none = [value is None for value in values] + [True]  # which is the default as well
    for engine in ("h5netcdf", "netcdf4"):
        with xr.open_dataset(tmp_path / "landed.h5", engine=engine, decode_times=coder) as dataset:
            assert dataset.sizes == {"point": len(expected) + 1}
            assert dataset.method.values.tolist() == ["rk4"] * len(expected) + ["euler"]
            assert dataset.order.dims == ("point",)
            np.testing.assert_array_equal(dataset.order.values[:-1], expected)
            assert dataset.order.isnull().values.tolist() == [False] * len(expected) + [True]
            assert dataset.landed.values.tolist() == [1.0 if none else 2.0 for none in is_none]
            assert "order" in dataset.landed.coords


def test_of_a_restricted_space_the_file_says_which_points_are_left_out(tmp_path):
    land(grid(a=[0, 1, 2], b=[0, 1]).where(lambda a, b: a != b), tmp_path)
    with h5py.File(tmp_path / "landed.h5") as file:
        excluded = file["_sweeps/status"][()] == STATUS["excluded"]
        np.testing.assert_array_equal(excluded, np.eye(3, 2, dtype=bool))
        assert (file["_sweeps/status"][()] == STATUS["done"])[~excluded].all()


def test_h5py_sees_which_value_is_none(tmp_path):
    land(grid(method=["rk4"]) * grid(order=[2, 4]) + grid(method=["euler"]), tmp_path, integrate)
    with h5py.File(tmp_path / "landed.h5") as file:
        fill = file["order"].attrs["_FillValue"]
        assert file["order"][()].tolist() == [2, 4, fill]


def test_a_derived_parameter_lands_along_what_it_depends_on(tmp_path):
    space = grid(u=[1.0, 2.0, 3.0], other=["a", "b"], width=[0.5, 1.0])
    space = space.derive(reynolds=lambda u, width, nu=0.5: u * width / nu)
    dataset = land(
        space, tmp_path, lambda u, other, width, reynolds: reynolds, units={"reynolds": "1"}
    )
    expected = np.multiply.outer([1.0, 2.0, 3.0], [0.5, 1.0]) / 0.5
    assert dataset.reynolds.dims == ("u", "width")
    assert dataset.reynolds.attrs == {"units": "1"}
    np.testing.assert_array_equal(dataset.reynolds, expected)
    np.testing.assert_array_equal(dataset.landed.sel(other="b"), expected)
    assert "reynolds" in dataset.landed.coords


DERIVED = {
    "flag": lambda a, b: a < b,
    "text": lambda a, b: f"{a}-{b}",
    "day": lambda a, b: datetime.date(2000 + a, 1, b + 1),
    "mixed": lambda a, b: None if a == b else (a, b),
    "scheme": lambda a, b: Scheme.UPWIND if a < b else Scheme.CENTRAL,
    "complex": lambda a, b: complex(a, b),
    "single": lambda a, b: np.float32(a / (b + 1)),
}


def test_derived_parameters_of_all_kinds_land(tmp_path):
    space = grid(a=[0, 1, 2], b=[0, 1]).derive(**DERIVED)
    dataset = land(space, tmp_path)
    for name in DERIVED:
        values = [shown(space.columns[name].table, point[name]) for point in space]
        expected = np.array(values, dtype=dataset[name].dtype).reshape(3, 2)
        np.testing.assert_array_equal(dataset[name], expected)
    masked = land(space.where(lambda a, b: a != b), tmp_path)
    for name in DERIVED:
        np.testing.assert_array_equal(masked[name].isnull(), np.eye(3, 2, dtype=bool))


def test_a_derived_parameter_of_nothing_is_a_number(tmp_path):
    dataset = land(grid(a=[1, 2]).derive(c=lambda: 3.0e8), tmp_path)
    assert dataset.c.dims == ()
    assert dataset.c.item() == 3.0e8


def test_where_a_derived_parameter_is_missing_it_is_masked(tmp_path):
    space = points([{"a": 1.0}, {"b": 2.0}], "case").derive(c=lambda a: 2 * a)
    dataset = land(space * zipped("run", x=[1, 2], y=[3, 4]), tmp_path)
    assert dataset.c.dims == ("case",)
    np.testing.assert_array_equal(dataset.c, [2.0, np.nan])


def test_what_was_derived_otherwise_lands_anew(tmp_path):
    square = grid(a=[1, 2], b=[1, 2])
    first = land(square.derive(c=lambda a: a), tmp_path, lambda a, b, **others: a)
    second = land(square.derive(c=lambda b: b), tmp_path, lambda a, b, **others: a)
    assert (first.c.dims, second.c.dims) == (("a",), ("b",))
