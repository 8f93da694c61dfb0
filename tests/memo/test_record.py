"""Laws of the spaces that are kept beside results: read again, they have the same points."""

import dataclasses
import datetime
import enum
import json
import tracemalloc

import numpy as np
import pytest
from hypothesis import given

from sweeps import experiment, grid, sample, zipped
from sweeps.memo import record
from sweeps.spaces.keys import key_maker
from tests.sizes import examples
from tests.strategies import spaces


class Method(enum.Enum):
    EULER = 1
    RK4 = 2


@dataclasses.dataclass(frozen=True)
class Setting:
    tolerance: float


def with_all(**parameters):
    raise NotImplementedError


def keys_of(space):
    return key_maker(experiment(space, name="visited")(with_all))(np.arange(space.n_positions))


def again(folder, space, now=None):
    record.keep_space(folder, "layout", space, {})
    now = space if now is None else now
    tables = {name: [column.table] for name, column in now.columns.items()}
    found = record.read_space(folder, "layout", record.elements(tables))
    return None if found is None else found.space


@given(spaces())
@examples(60)
def test_a_space_that_is_read_again_has_the_same_points(tmp_path_factory, made):
    space, _ = made
    found = again(tmp_path_factory.mktemp("memo"), space)
    assert found.sizes == space.sizes
    assert found.derived == space.derived
    kept = space.positions(0, len(space))
    np.testing.assert_array_equal(keys_of(found)[kept], keys_of(space)[kept])


VALUES = {
    "a long range": range(10**5),
    "floats": [0.1, -0.0, 1e-320, float("inf")],
    "integers beyond 2^63": [2**63, 2**64 - 1],
    "integers beyond any dtype": [2**200, 1],
    "complex numbers": [1j, 2.0],
    "strings": ["", "é", "a\nb"],
    "dates": [datetime.date(2020, 2, 29), datetime.date(2021, 1, 1)],
    "times": [datetime.datetime(2020, 2, 29, 1, 2, 3, 4)],
    "timedeltas": [datetime.timedelta(days=-1, microseconds=3), datetime.timedelta(99)],
    "of all kinds": [None, True, 1, "one", b"\x00", (1, (2.5, "x"))],
}


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_values_that_say_what_they_are_are_read_without_the_experiment(tmp_path, values):
    space = grid(p=values)
    np.testing.assert_array_equal(keys_of(again(tmp_path, space, grid(q=[1]))), keys_of(space))


def test_equal_rows_of_a_sample_stay(tmp_path):
    space = sample.uniform(50, n=range(3), seed=1)
    found = again(tmp_path, space)
    np.testing.assert_array_equal(found.dimensions[0].is_first, space.dimensions[0].is_first)


def test_of_rows_that_all_differ_only_the_values_are_written(tmp_path):
    space = zipped("run", x=[3.5, 1.5], y=range(2)) * zipped("other", a=[1, 1], b=["u", "v"])
    assert list(again(tmp_path, space)) == list(space)
    said = json.loads((tmp_path / "space-layout.json").read_bytes())["dimensions"]
    has_codes = [column["codes"] is not None for each in said for column in each["columns"]]
    assert has_codes == [False, False, True, False]


NAMED = {
    "labels": {"sine": np.sin, "cosine": np.cos, "root": np.sqrt},
    "enum members": [Method.EULER, Method.RK4],
    "frozen dataclasses": [Setting(0.1), Setting(0.2)],
    "times of a zone": [datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC), None],
}


@pytest.mark.parametrize("values", NAMED.values(), ids=NAMED)
def test_values_of_the_experiment_s_are_those_that_it_has_now(tmp_path, values):
    space = grid(p=values, x=[1, 2]) * zipped("run", q=values, y=range(len(values)))
    assert list(again(tmp_path, space)) == list(space)


def test_points_of_a_label_that_is_gone_are_left_out(tmp_path):
    space = grid(f={"sine": np.sin, "cosine": np.cos}, x=[1, 2])
    left = grid(f={"cosine": np.cos}, x=[1, 2])
    assert list(again(tmp_path, space, left)) == list(left)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 10**5,
        json.dumps({"format": 2, "dimensions": [], "derived": [], "constants": []}).encode(),
        json.dumps(
            {
                "format": 1,
                "dimensions": [{"name": "x", "size": 2**62, "columns": []}],
                "derived": [],
                "constants": [],
            }
        ).encode(),
    ],
)
def test_a_file_that_nobody_can_read_says_nothing(tmp_path, content):
    (tmp_path / "space-layout.json").write_bytes(content)
    assert record.layouts(tmp_path) == ["layout"]
    assert record.read_space(tmp_path, "layout", {}) is None


@pytest.mark.parametrize("length", [10**8, 2**40, 2**62, 10**30])
@pytest.mark.parametrize("size", [10**8, 2**40, "3", None])
@pytest.mark.parametrize("has_column", [False, True])
def test_a_few_bytes_do_not_ask_for_gigabytes(tmp_path, length, size, has_column):
    column = {"name": "x", "kind": "range", "values": [0, 1, length], "codes": None}
    dimension = {"name": "x", "size": size, "columns": [column] if has_column else []}
    said = {"format": 1, "dimensions": [dimension], "derived": [], "constants": []}
    (tmp_path / "space-layout.json").write_text(json.dumps(said))
    tracemalloc.start()
    try:
        found = record.read_space(tmp_path, "layout", {})
        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most_bytes < 2**20
    assert (found is not None) == (has_column and size == length == 10**8)
