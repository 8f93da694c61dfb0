"""Workers place what fits into the draft of the run, and commit the rest as always."""

import dataclasses

import numpy as np
import pytest

from sweeps import experiment, grid
from sweeps.engines import Block
from sweeps.memo import draft, segment
from sweeps.outputs.schema import header_of
from sweeps.outputs.types import Part, Variable
from sweeps.spaces.keys import key_maker
from sweeps.storage import disk
from sweeps.worker import placing
from tests.sizes import place_all

AT = np.array([2, 3, 7])


@pytest.fixture(autouse=True)
def _place_all(monkeypatch):
    place_all(monkeypatch)


def total(x, y):
    return x + y


@pytest.fixture
def keys():
    return key_maker(experiment(grid(x=range(4), y=range(3)))(total))


def part(keys, at, dtype=float):
    values = np.stack([at, at * 10], 1).astype(dtype)
    own = Variable("a", values, ("d",), None, {})
    return Part(keys(at), np.zeros(len(at), np.float32), (own,), ())


@pytest.fixture
def note(tmp_path, keys):
    (tmp_path / "memo").mkdir()
    made = draft.plan(tmp_path / "memo", (4, 3), [header_of(part(keys, AT).variables[0])])
    draft.begin(made)
    draft.tell(made, tmp_path / "note.json")
    return tmp_path / "note.json"


def committed(note, keys, parts, at=AT):
    placing.commit(note, keys, Block(0, at), parts, [], 1)
    (path,) = draft.told(note).path.parent.glob("*.seg")
    return segment.load(path)


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1], [1], [2, 1]])
def test_points_are_where_the_space_has_them_in_whatever_order_they_come(note, keys, order):
    """Some failed, and asynchronous ones end in any order."""
    (found,) = committed(note, keys, [part(keys, AT[order])]).parts
    assert found.placed.positions.tolist() == AT[order].tolist()
    made = draft.told(note)
    content = np.fromfile(made.path, offset=made.columns[0].offset).reshape(12, 2)
    for position in range(12):
        expected = [position, position * 10] if position in AT[order] else [0, 0]
        assert content[position].tolist() == expected


def test_parts_that_do_not_fit_are_in_the_segment(note, keys):
    parts = [part(keys, AT[:1], np.int32), part(keys, AT[1:])]
    found = committed(note, keys, parts).parts
    assert [each.placed is None for each in found] == [True, False]
    with segment.open_hdf5(found[0].path) as file:
        read = [segment.read(each, 0, file).tolist() for each in found]
    assert read == [each.variables[0].values.tolist() for each in parts]


def test_without_the_draft_values_are_in_the_segment(note, keys):
    draft.told(note).path.unlink()
    own = part(keys, AT)
    (found,) = committed(note, keys, [own]).parts
    assert found.placed is None
    with segment.open_hdf5(found.path) as file:
        np.testing.assert_array_equal(segment.read(found, 0, file), own.variables[0].values)


@pytest.mark.parametrize("call", ["open_to_change", "write_at", "flush"])
def test_if_the_draft_goes_while_values_are_written_they_are_in_the_segment(
    note, keys, monkeypatch, call
):
    """Another process renames the memo, and the draft with it."""
    path, real = draft.told(note).path, getattr(disk, call)

    def renamed(*arguments):
        if path.exists():
            path.rename(path.with_suffix(".elsewhere"))
        return real(*arguments)

    monkeypatch.setattr(disk, call, renamed)
    own = part(keys, AT)
    (found,) = committed(note, keys, [own]).parts
    assert found.placed is None
    with segment.open_hdf5(found.path) as file:
        np.testing.assert_array_equal(segment.read(found, 0, file), own.variables[0].values)


def test_what_is_placed_takes_no_room_in_the_segment(note, keys):
    own = part(keys, AT)
    wide = dataclasses.replace(own.variables[0], values=np.zeros((3, 2)))
    found = committed(note, keys, [dataclasses.replace(own, variables=(wide,))])
    with segment.open_hdf5(found.path) as file:
        assert not [*file["part0/values"]]
