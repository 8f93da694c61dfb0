"""Laws of tables: a row for each finished point, and each value as it was returned."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import sweeps
from sweeps import experiment, grid, points, zipped
from sweeps.errors import DeclarationError, StorageError, UnknownNameError
from sweeps.exports import columns, source
from tests.exports.sheets import EXTREMES, TYPES, everything

pytestmark = pytest.mark.filterwarnings("ignore:.* points? of .* failed")


def test_the_finished_points_are_rows_with_the_dtypes_that_were_returned(sheet):
    table = sweeps.table("made")
    rows = [(x, y) for x in range(10) for y in range(3) if (x + y) % 5 < 3 and y != 1]
    assert list(table[["x", "y"]].itertuples(index=False, name=None)) == rows
    assert table.index.tolist() == [3 * x + y for x, y in rows]
    assert (table.index.name, table.index.dtype) == ("position", np.int64)
    expected = [everything(x) for x, _ in rows]
    for name in table.columns[2:]:
        assert table[name].tolist() == [pd_own(each[name]) for each in expected], name
    dtypes = {name: str(table[name].dtype) for name in ("x", "y", *TYPES)}
    assert dtypes == {"x": "int64", "y": "int64", **{name: name for name in TYPES}}
    assert [table[n].dtype for n in ("real", "float32", "complex")] == [float, "f4", complex]
    assert [table[n].dtype.kind for n in ("when", "wait")] == ["M", "m"]
    assert "row" not in table


def pd_own(value):
    """Return a value as a column of pandas gives it."""
    return pd.Series([value]).tolist()[0] if not isinstance(value, np.generic) else value


def test_all_points_keep_exact_integers_where_some_are_missing(sheet):
    table = sweeps.table("made", status="all")
    assert len(table) == 30
    assert table.status.value_counts().to_dict() == {"done": 12, "failed": 6, "excluded": 12}
    for name in TYPES[1:]:
        assert str(table[name].dtype).lower() == name
        done = table[name][table.status == "done"]
        assert set(done) == {EXTREMES[name].min, EXTREMES[name].max}
        assert table[name][table.status != "done"].isna().all()
    assert str(table["bool"].dtype) == "boolean"
    assert table.word[table.status == "failed"].isna().all()
    assert isinstance(table.index, pd.RangeIndex)


@pytest.mark.parametrize(("status", "n_rows"), [("failed", 6), ("excluded", 12), ("missing", 0)])
def test_other_points_are_rows_of_parameters(sheet, status, n_rows):
    table = sweeps.table("made", status=status)
    assert len(table) == n_rows
    assert list(table.columns) == list(sweeps.table("made").columns)
    assert table.real.isna().all()
    if status == "failed":
        failed = sweeps.failures(sheet)
        assert table.index.tolist() == [each.position for each in failed]
        assert table[["x", "y"]].to_dict("records") == [each.params for each in failed]


def test_arrays_are_columns_if_asked_for_and_as_long_as_they_were_returned(project):
    def made(size):
        return {"ragged": np.arange(size), "image": np.full((2, 3), size), "total": size}

    experiment(grid(size=[1, 3, 2]), name="made")(made).run(engine="serial")
    assert list(sweeps.table("made").columns) == ["size", "n_ragged", "total"]
    table = sweeps.table("made", arrays=["ragged", "image"])
    assert [each.tolist() for each in table.ragged] == [[0], [0, 1, 2], [0, 1]]
    assert [each.tolist() for each in table.image] == [[[n] * 3] * 2 for n in (1, 3, 2)]
    assert sweeps.table("made", arrays="image").image[0].shape == (2, 3)


@pytest.mark.parametrize(
    ("arrays", "error", "message"),
    [
        ("rwo", UnknownNameError, "no array output 'rwo' .*Did you mean 'row'?"),
        (["word"], DeclarationError, "'word' is no array"),
        (5, DeclarationError, "arrays is 5: give names"),
    ],
)
def test_an_array_that_there_is_not_is_refused(sheet, arrays, error, message):
    with pytest.raises(error, match=message):
        sweeps.table("made", arrays=arrays)


def test_an_unknown_status_and_a_missing_file_are_refused(sheet):
    with pytest.raises(DeclarationError, match="give one of missing, done, failed, excluded, all"):
        sweeps.table("made", status="finished")
    with pytest.raises(StorageError, match="no results file"):
        sweeps.table("another")


@pytest.mark.parametrize(
    ("space", "names"),
    [
        (points([{"x": 1, "y": 2}, {"x": 3, "y": 4}]), ["x", "y", "made"]),
        (zipped("pair", x=[1, 2], y=[3, 4]) * grid(z=[5, 6]), ["x", "y", "z", "made"]),
        (grid(), ["g", "made"]),
        (grid(x=[1]), ["x", "made"]),
    ],
    ids=["points", "zipped", "one point", "one of a grid"],
)
def test_every_kind_of_space_is_a_table(project, space, names):
    def made(x=0, y=0, z=0, g=9.81):
        return x + 10 * y + 100 * z

    one = experiment(space, name="made")(lambda g=9.81, **given: made(**given))
    found = one.run(engine="serial")
    table = one.table()
    assert sorted(table.columns) == sorted(names)
    assert table.made.tolist() == found.made.values.ravel().tolist()


def test_a_parameter_that_some_points_lack_is_missing_there(project):
    space = grid(method=["a"]) * grid(order=[1, 2]) + grid(method=["b"])
    experiment(space, name="made")(lambda method, order=0: 1.0).run(engine="serial")
    table = sweeps.table("made")
    assert table.order.dtype == "Int64"
    assert table.order.tolist() == [1, 2, pd.NA]


def test_all_failed_gives_no_rows_and_all_columns(project):
    def made(x):
        raise ValueError(x)

    experiment(grid(x=[1, 2]), name="made")(made).run(engine="serial")
    table = sweeps.table("made")
    assert (len(table), list(table.columns), table.x.dtype) == (0, ["x"], np.int64)
    assert len(sweeps.table("made", status="all")) == 2


def test_dates_of_other_calendars_are_as_load_gives_them(project):
    cftime = pytest.importorskip("cftime")

    def made(x):
        day = xr.DataArray(x, attrs={"units": "days since 2020-01-01", "calendar": "360_day"})
        return {"day": day, "odd": xr.DataArray(x, attrs={"units": "s since start"})}

    experiment(grid(x=[30, 31]), name="made")(made).run(engine="serial")
    table = sweeps.table("made")
    assert table.day.tolist() == [cftime.datetime(2020, 2, d, calendar="360_day") for d in (1, 2)]
    assert table.odd.tolist() == [30, 31]


def test_a_file_of_another_program_is_a_table_of_all_its_points(project):
    made = xr.Dataset({"y": (("a", "b"), np.arange(6).reshape(2, 3))}, {"a": [1, 2]})
    made.to_netcdf(project / "other.h5", engine="h5netcdf")
    table = sweeps.table(project / "other.h5")
    assert table.to_dict("list") == {"a": [1, 1, 1, 2, 2, 2], "y": list(range(6))}


shapes = st.lists(st.integers(1, 5), max_size=4).map(tuple)


@given(shapes, st.integers(1, 30))
def test_boxes_cover_each_point_once_in_order_and_are_boxes(shape, n_most):
    numbers = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    found = []
    for start, stop in source.boxes(shape, n_most):
        assert 0 < stop - start <= n_most
        box = numbers[source.slices(shape, start, stop)]
        assert box.ravel().tolist() == list(range(start, stop))
        found += box.ravel().tolist()
    assert found == numbers.ravel().tolist()


@pytest.mark.parametrize("n_most", [1, 2, 7, 1000])
def test_pieces_of_any_size_give_the_same_table(sheet, n_most):
    with source.opened(sheet_path()) as found:
        table = columns.choose(found, "all", "row")
        made = pd.concat(columns.frames(table, n_most))
    whole = sweeps.table("made", status="all", arrays="row")
    assert made.drop(columns="row").equals(whole.drop(columns="row").set_axis(made.index))
    assert all(np.array_equal(a, b) for a, b in zip(made.row, whole.row, strict=True))


def sheet_path():
    return source.Path("results/made.h5").absolute()
