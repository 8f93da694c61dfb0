import datetime

import h5py
import numpy as np
import pytest

from sweeps import experiment, grid, points, run, zipped
from sweeps.errors import StorageError
from sweeps.operations import show

TIME = datetime.datetime(2024, 2, 1, 12, 30)


@pytest.fixture
def view(project):
    def view(space, function, n_rows=10):
        made = experiment(space, name="made")(function)
        run(made, engine="serial")
        return show.view(project / "results" / "made.h5", n_rows)

    return view


def test_points_come_in_the_order_of_the_space_with_their_parameters(view):
    def made(x, y, constant=9.81):
        return {"twice": 2 * x, "word": y + "!"}

    seen = view(grid(x=[1.0, 2.0], y=["a", "b"]), made)
    assert seen.header == ("x", "y", "twice", "word")
    assert seen.rows == [[x, y, 2 * x, y + "!"] for x in (1.0, 2.0) for y in "ab"]
    assert seen.sizes == {"x": 2, "y": 2}


def test_no_more_rows_than_asked_for(view, project):
    view(grid(x=range(5)), lambda x: x)
    for n_rows in (0, 1, 3, 100):
        seen = show.view(project / "results" / "made.h5", n_rows)
        assert len(seen.rows) == min(n_rows, 5)


@pytest.mark.parametrize(
    "space", [points([{"x": 1, "y": 2}]), zipped(x=[1], y=[2]), grid(x=[1], y=[2])]
)
def test_every_kind_of_space_shows_its_parameters(view, space):
    seen = view(space, lambda x, y: x + y)
    assert dict(zip(seen.header, seen.rows[0], strict=True)) == {"x": 1, "y": 2, "made": 3}


def test_a_single_point_shows_its_constants_too(view):
    seen = view(grid(), lambda g=9.81: g / 2)
    assert (seen.header, seen.rows) == (("g", "made"), [[9.81, 9.81 / 2]])


def test_values_are_shown_as_pythons_own(view):
    values = {"a": 1.5, "b": 3, "c": True, "d": "größe", "e": 1 - 2j, "f": TIME}
    seen = view(grid(x=[0]), lambda x: {**values, "f": np.datetime64(TIME)})
    assert seen.header == ("x", *values)
    assert seen.rows == [[0, *values.values()]]
    assert [type(value) for value in seen.rows[0][1:]] == [type(v) for v in values.values()]


def test_an_array_counts_but_has_no_column_though_it_is_the_only_output(view):
    seen = view(grid(x=[1, 2]), lambda x: np.full((3, 4), float(x)))
    assert (seen.header, seen.rows) == (("x",), [[1], [2]])
    assert seen.outputs[0].count == 24


def test_lists_of_varying_length_count_what_is_there(view):
    seen = view(grid(n=[1, 2, 3]), lambda n: np.arange(n) * 1.0)
    ragged, n_ragged = seen.outputs
    assert (ragged.count, ragged.missing, ragged.mean) == (6, 3, pytest.approx(4 / 6))
    assert n_ragged.name == "n_made"


def test_failed_points_are_rows_without_values(view):
    def odd_ones(x):
        if x % 2 == 0:
            raise ValueError("even")
        return {"number": x, "word": str(x), "is_odd": True, "time": np.datetime64(TIME)}

    seen = view(grid(x=[1, 2]), odd_ones)
    missing = dict(zip(seen.header, seen.rows[1], strict=True))
    assert np.isnan(missing["number"])
    assert np.isnan(missing["is_odd"])
    assert missing["word"] is missing["time"] is None
    assert {(o.count, o.missing) for o in seen.outputs} == {(1, 1)}


def test_when_all_points_failed_the_parameters_are_shown(view):
    def fails(x, y):
        raise ValueError

    seen = view(grid(x=[1, 2], y=["a"]), fails)
    assert (seen.header, seen.rows) == (("x", "y"), [[1, "a"], [2, "a"]])
    assert seen.outputs == []


def test_a_view_has_the_summary_of_its_file(project):
    made = experiment(grid(x=[1.0, 2.0]), name="made")(lambda x: x)
    path = project / "results" / "made.h5"
    run(made, engine="serial")
    assert show.view(path, 10).summary is None
    made.summary(lambda ds: {"most": ds.made.max(), "all": ds.made})
    run(made, engine="serial")
    for n_rows in (0, 1, 10):
        seen = show.view(path, n_rows).summary
        assert seen.scalars.rows[0][:2] == ["most", 2.0]
        assert [len(table.rows) for table in seen.tables] == [min(n_rows, 2)]


@pytest.mark.parametrize(
    "content", [{}, {"a": np.arange(3.0)}, {"_sweeps/status": np.zeros((2, 3))}]
)
@pytest.mark.filterwarnings("ignore:The 'phony_dims' kwarg")
def test_a_file_of_another_program_is_shown_as_far_as_can_be(tmp_path, content):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name, values in content.items():
            file[name] = values
    seen = show.view(tmp_path / "a.h5")
    assert [output.name for output in seen.outputs] == list({"a"} & content.keys())


def test_no_file_is_told(tmp_path):
    with pytest.raises(StorageError, match="python -m sweeps run wave"):
        show.view(tmp_path / "wave.h5")
