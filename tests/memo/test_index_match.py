"""Laws of matching: parts placed as a whole stand where their points, looked up one by one, do."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps import Space, experiment, grid, zipped
from sweeps.memo import index as memo
from sweeps.memo import segment
from sweeps.outputs.types import Part, Variable
from sweeps.spaces.keys import Factors, boxes, key_maker
from sweeps.spaces.product import together
from tests.sizes import examples

SPACES = [
    grid(x=range(6), y=range(5)),
    grid(y=range(5), x=range(6)),
    grid(x=[5, 3, 1, 7, 9], y=range(2, 8)),
    grid(x=range(6), y=[2]),
    grid(x=range(6)),
    grid(x=range(30)),
    grid(x=range(6), y=range(5), z=[0, 1]),
    grid(z=[0]) * zipped("run", x=range(6), y=range(6)),
    grid(x=range(6), y=range(5)).where(lambda x, y: x != y),
    grid(),
]


def swept(space):
    return key_maker(experiment(space, name="f")(lambda x=1, y=2, z=0: 0.0))


def commit(folder, maker, start, stop, *, as_products, created_ns, mixed=list):
    """Commit a run of points as one or as several parts, or those that `mixed` makes of it."""
    listed = np.array(mixed(range(start, stop)))
    pieces = maker.boxes(start, stop) if as_products else [maker(listed)]
    parts = [
        Part(own, np.zeros(len(own), np.float32), (Variable("f", np.zeros(len(own))),))
        for own in pieces
    ]
    segment.commit(folder, parts, (), created_ns)


@examples(80)
@given(
    computed=st.sampled_from(SPACES[:6] + SPACES[-1:]),
    wanted=st.sampled_from(SPACES),
    data=st.data(),
)
def test_products_are_found_where_keys_are(tmp_path_factory, computed, wanted, data):
    folder = tmp_path_factory.mktemp("memo")
    maker = swept(computed)
    edge = st.integers(0, computed.n_positions)
    for created_ns in range(data.draw(st.integers(0, 4))):
        start, stop = sorted([data.draw(edge), data.draw(edge)])
        if start < stop:
            options = {"as_products": data.draw(st.booleans()), "created_ns": created_ns}
            mixed = data.draw(st.sampled_from([list, shuffled, twice]))
            commit(folder, maker, start, stop, mixed=mixed, **options)
    index = memo.scan(folder)
    run = range(*sorted(data.draw(st.integers(0, wanted.n_positions)) for _ in range(2)))
    expected = memo._match_keys(swept(wanted), index)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memo, "MIN_PRODUCT", data.draw(st.sampled_from([1, 4, 4096])))
        found = memo.match(swept(wanted), index)
        np.testing.assert_array_equal(found.entries, expected.entries)
        assert found.first == expected.first
        is_done = memo.done(swept(wanted), index)
        assert is_done is None or (is_done == (expected.entries >= 0)).all()
        is_done = memo.done(swept(wanted), index, [run])
        assert is_done is None or (is_done == (expected.entries >= 0))[run.start : run.stop].all()


def shuffled(positions):
    return np.random.default_rng(0).permutation(positions)


def twice(positions):
    return [*positions, positions[0]]


def test_a_merged_axis_is_placed_without_a_search(tmp_path, monkeypatch):
    maker = swept(grid(x=range(10_000)))
    halves = {"mixed": lambda run: [*run[5000:], *run[:5000]], "as_products": False}
    commit(tmp_path, maker, 0, 10_000, created_ns=1, **halves)
    monkeypatch.setattr(memo.Index, "find", None)
    entries = memo.match(maker, memo.scan(tmp_path)).entries
    assert entries.tolist() == [*range(5000, 10_000), *range(5000)]


def test_a_whole_grid_is_placed_without_a_key(tmp_path, monkeypatch):
    maker = swept(SPACES[0])
    commit(tmp_path, maker, 0, 7, as_products=True, created_ns=1)
    commit(tmp_path, maker, 7, 30, as_products=True, created_ns=2)
    monkeypatch.setattr(memo.Index, "find", None)
    entries = memo.match(swept(SPACES[0]), memo.scan(tmp_path)).entries
    assert sorted(entries.tolist()) == list(range(30))
    is_done = memo.done(swept(SPACES[2]), memo.scan(tmp_path))
    assert is_done is not None
    assert is_done.sum() == 9


def test_of_grids_that_share_points_the_newest_counts(tmp_path):
    maker = swept(SPACES[0])
    for age, (start, stop) in enumerate([(0, 20), (10, 30)], 1):
        commit(tmp_path, maker, start, stop, as_products=True, created_ns=age)
    index = memo.scan(tmp_path)
    newer, older = (len(part) for part in index.parts)
    assert (newer, older) == (20, 20)
    entries = memo.match(maker, index).entries
    assert entries[10:].tolist() == list(range(20))
    assert entries[:10].tolist() == list(range(20, 30))


def test_a_grid_with_another_constant_is_not_found(tmp_path):
    commit(tmp_path, swept(SPACES[0]), 0, 30, as_products=True, created_ns=1)
    other = key_maker(experiment(SPACES[0], name="f")(lambda x=1, y=2, z=1: 0.0))
    assert (memo.match(other, memo.scan(tmp_path)).entries == -1).all()


def test_equal_points_of_a_sample_are_all_found(tmp_path):
    commit(tmp_path, swept(SPACES[0]), 0, 30, as_products=True, created_ns=1)
    drawn = Space((together("draw", {"x": [2, 9, 1, 2]}, allow_repeats=True),)) * grid(y=range(5))
    entries = memo.match(swept(drawn), memo.scan(tmp_path)).entries.reshape(4, 5)
    assert (entries >= 0).all(axis=1).tolist() == [True, False, True, True]
    np.testing.assert_array_equal(entries[3], entries[0])


@given(shape=st.lists(st.integers(1, 4), max_size=4), data=st.data())
def test_boxes_are_the_positions_in_their_order(shape, data):
    n = int(np.prod(shape, dtype=int))
    start, stop = sorted([data.draw(st.integers(0, n)), data.draw(st.integers(0, n))])
    flat = np.arange(n).reshape(shape)
    covered = [flat[box].reshape(-1) for box in boxes(shape, start, stop)]
    np.testing.assert_array_equal(np.concatenate([[], *covered]), np.arange(start, stop))
    assert len(covered) <= max(1, 2 * len(shape) - 1)


@pytest.mark.parametrize("space", SPACES, ids=repr)
def test_products_are_the_keys(space):
    maker = swept(space)
    pieces = maker.boxes(0, space.n_positions)
    written = [own.keys() if isinstance(own, Factors) else own for own in pieces]
    expected = maker(np.arange(space.n_positions))
    np.testing.assert_array_equal(np.concatenate(written), expected)


def test_products_survive_the_disk(tmp_path):
    maker = swept(SPACES[0])
    commit(tmp_path, maker, 3, 29, as_products=True, created_ns=1)
    parts = memo.scan(tmp_path).parts
    assert all(isinstance(part.stored_keys, Factors) for part in parts)
    together = np.concatenate([part.keys for part in parts])
    np.testing.assert_array_equal(together, maker(np.arange(3, 29)))
