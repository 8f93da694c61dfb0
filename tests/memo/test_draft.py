"""Values in a draft are those that were written, wherever they stand, or are known to be lost."""

import dataclasses
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps import experiment, grid
from sweeps.errors import StorageError
from sweeps.memo import draft, index, segment
from sweeps.memo.claims import Claims
from sweeps.memo.segment import MergedAwayError
from sweeps.outputs.schema import header_of
from sweeps.outputs.types import Part, Variable
from sweeps.spaces.keys import key_maker
from sweeps.storage import disk, hdf5, hdf5_write
from tests.sizes import place_all

SIZES = (3, 4)


@pytest.fixture(autouse=True)
def _place_all(monkeypatch):
    place_all(monkeypatch)


def values(name, n, dtype, shape=(2,)):
    made = (np.arange(n * int(np.prod(shape))) % 7).astype(dtype).reshape(n, *shape)
    return Variable(name, made, tuple(f"d{i}" for i in range(len(shape))), None, {})


def part(n, keys=None):
    texts = Variable("text", np.array([f"{i}" for i in range(n)], object), (), None, {})
    own = (values("a", n, float), texts, values("b", n, np.int16, ()), values("c", n, complex))
    keys = np.stack([np.arange(n), np.arange(n)], 1) if keys is None else keys
    return Part(keys.astype(np.uint64), np.zeros(n, np.float32), own, ())


def abs_of(x):
    return abs(x)


def begun(folder, sizes=SIZES):
    folder.mkdir(exist_ok=True)
    made = draft.plan(folder, sizes, list(map(header_of, part(1).variables)))
    assert draft.begin(made)
    return made


@pytest.fixture
def drafted(tmp_path):
    return begun(tmp_path / "memo")


def committed(made, own, positions):
    left, placed = draft.place(made, own, np.array(positions))
    return segment.commit(made.path.parent, [left], placed={0: placed})


def read(path):
    """Read the variables of the only part of a segment."""
    (found,) = segment.load(path).parts
    with segment.open_hdf5(path) as file:
        return [segment.read(found, n, file).tolist() for n in range(len(found.variables))]


@given(positions=st.lists(st.integers(0, 11), min_size=1, max_size=12, unique=True), data=st.data())
def test_values_are_read_as_they_were_placed(tmp_path_factory, positions, data):
    """Positions ascend as a rule; any others do, too."""
    made = begun(tmp_path_factory.mktemp("some") / "memo")
    own = part(len(positions))
    path = committed(made, own, positions)
    assert read(path) == [each.values.tolist() for each in own.variables]
    (found,) = segment.load(path).parts
    assert found.placed.positions.tolist() == positions
    first = data.draw(st.integers(0, len(positions)))
    last = data.draw(st.integers(first, len(positions)))
    with segment.open_hdf5(path) as file:
        some = segment.read(found, 0, file, slice(first, last))
    np.testing.assert_array_equal(some, own.variables[0].values[first:last])


def test_what_is_told_is_what_was_planned(tmp_path, drafted):
    draft.tell(drafted, tmp_path / "note.json")
    told = draft.told(tmp_path / "note.json")
    assert (told.path, told.sizes, told.form) == (drafted.path, drafted.sizes, drafted.form)
    assert [tuple(map(repr, c)) for c in told.columns] == [
        tuple(map(repr, c)) for c in drafted.columns
    ]
    assert draft.takes(told, part(3))


@given(st.lists(st.integers(1, 4), min_size=1, max_size=3).filter(lambda sizes: max(sizes) > 1))
def test_places_are_those_that_hdf5_gives_in_a_file(tmp_path_factory, sizes):
    folder = tmp_path_factory.mktemp("some")
    made = draft.plan(folder, tuple(sizes), list(map(header_of, part(1).variables)))
    shapes = [((*sizes, *c.header.shape), c.header.dtype) for c in made.columns]
    descriptor = disk.create(folder / "file.h5")
    try:
        with hdf5_write.create(descriptor, made.n_bytes) as file:
            found = [each.id.get_offset() for each in hdf5_write.reserve(file, shapes)]
            file.attrs["more"] = "than this"
            hdf5.reserve(file, "other", (100,), np.dtype(float))
    finally:
        disk.close(descriptor)
    assert found == [c.offset for c in made.columns]


@pytest.mark.parametrize("change", ["name", "dtype", "shape", "coordinates", "fewer"])
def test_a_part_of_another_form_is_not_taken(drafted, change):
    own = part(2)
    first = own.variables[0]
    others = {
        "name": dataclasses.replace(first, name="z"),
        "dtype": dataclasses.replace(first, values=first.values.astype(np.float32)),
        "shape": dataclasses.replace(first, values=first.values[:, :1]),
    }
    if change == "fewer":
        own = dataclasses.replace(own, variables=own.variables[1:])
    elif change == "coordinates":
        own = dataclasses.replace(own, coordinates=(values("d0", 1, float),))
    else:
        own = dataclasses.replace(own, variables=(others[change], *own.variables[1:]))
    assert not draft.takes(drafted, own)


@pytest.mark.parametrize("lengths", [[1, 2], [3, 3]])
def test_what_else_a_part_has_does_not_matter(drafted, lengths):
    counts = np.array(lengths)
    more = Variable("more", np.zeros(counts.sum()), ("n",), counts, {})
    own = part(2)
    assert draft.takes(drafted, dataclasses.replace(own, variables=(*own.variables, more)))


@pytest.mark.parametrize("call", ["create", "truncate", "flush_folder"])
def test_a_disk_without_room_for_a_draft_gets_none(tmp_path, monkeypatch, call):
    def full(*_):
        raise OSError(28, "no space")

    made = draft.plan(tmp_path, SIZES, list(map(header_of, part(1).variables)))
    monkeypatch.setattr(disk, call, full)
    assert not draft.begin(made)
    assert not made.path.exists()


@pytest.mark.parametrize("call", ["open_to_change", "write_at", "flush"])
def test_a_disk_that_does_not_take_values_is_said(drafted, monkeypatch, call):
    def full(*_):
        raise OSError(28, "no space")

    monkeypatch.setattr(disk, call, full)
    with pytest.raises(StorageError, match="free some space"):
        draft.place(drafted, part(2), np.array([1, 2]))


def test_a_disk_that_writes_little_at_a_time_has_everything_at_the_end(drafted, monkeypatch):
    monkeypatch.setattr(
        disk, "write_at", lambda descriptor, data, at: os.pwrite(descriptor, data[:5], at)
    )
    monkeypatch.setattr(
        disk, "read_at", lambda descriptor, n, at: os.pread(descriptor, min(n, 3), at)
    )
    own = part(4)
    assert read(committed(drafted, own, [3, 4, 8, 9])) == [v.values.tolist() for v in own.variables]


# ---- what is lost


@given(st.lists(st.integers(0, 11), min_size=2, max_size=12, unique=True), st.data())
def test_points_with_a_changed_byte_are_hidden_and_no_others(tmp_path_factory, positions, data):
    made = begun(tmp_path_factory.mktemp("some") / "memo")
    path = committed(made, part(len(positions)), positions)
    hit = data.draw(st.lists(st.sampled_from(positions), unique=True))
    with made.path.open("r+b") as file:
        for position in hit:
            column = data.draw(st.sampled_from(made.columns))
            n_bytes = column.header.dtype.itemsize * int(np.prod(column.header.shape))
            at = column.offset + position * n_bytes + data.draw(st.integers(0, n_bytes - 1))
            file.seek(at)
            byte = file.read(1)[0]
            file.seek(at)
            file.write(bytes([byte ^ 1]))
    (found,) = segment.load(path).parts
    hidden = [row for row, position in enumerate(positions) if position in hit]
    assert np.flatnonzero(found.keys[:, 0] == segment.NO_KEY).tolist() == hidden
    np.testing.assert_array_equal(found.every_key, part(len(positions)).keys)
    again = found.without([0])  # which hides one more, or none
    np.testing.assert_array_equal(again.every_key, part(len(positions)).keys)


def test_a_draft_that_is_gone_is_noticed_by_who_has_seen_it(drafted):
    """Where the segment is gone, too, its values have landed: look again."""
    path = committed(drafted, part(3), [0, 1, 2])
    before = index.scan(drafted.path.parent)
    assert before.n_known == 3
    drafted.path.unlink()
    (known,) = before.parts
    with segment.open_hdf5(path) as file, pytest.raises(MergedAwayError):
        segment.read(known, 0, file)
    assert index.scan(drafted.path.parent, before).n_known == 0
    trusting = dataclasses.replace(before, trusted=drafted.path)
    assert index.scan(drafted.path.parent, trusting).n_known == 0


@pytest.mark.parametrize("is_live", [True, False])
@pytest.mark.parametrize("is_named", [True, False])
@pytest.mark.parametrize("is_own", [True, False])
def test_a_draft_goes_when_nobody_needs_it(drafted, is_live, is_named, is_own):
    folder = drafted.path.parent
    run = Claims(folder, key_maker(experiment(grid(x=[1]))(abs_of))) if is_live else None
    try:
        named = {drafted.path} if is_named else set()
        draft.forget(folder, named, drafted.path if is_own else None)
    finally:
        if run is not None:
            run.close()
    assert drafted.path.exists() is (is_named or (is_live and not is_own))


def test_a_draft_with_another_name_has_landed(drafted, tmp_path):
    assert drafted.has_not_landed()
    (tmp_path / "results.h5").hardlink_to(drafted.path)
    assert not drafted.has_not_landed()
    drafted.path.unlink()
    assert not drafted.has_not_landed()
