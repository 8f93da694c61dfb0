"""Laws of runs: they say of every point what the memo says of it, point by point."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeps import experiment, grid
from sweeps.memo import index as memo
from sweeps.memo import placing, segment
from sweeps.outputs.types import Part, Variable
from sweeps.spaces.keys import Factors, key_maker


def made(sizes):
    axes = {f"x{i}": range(size) for i, size in enumerate(sizes)}

    @experiment(grid(**axes), name="f")
    def f(**parameters):
        raise NotImplementedError

    return f


def committed(folder, maker, start, stop, *, is_listed):
    """Commit a run of points as a worker does; each has its position for a value."""
    at = np.arange(start, stop)
    pieces = [maker(at)] if is_listed else maker.boxes(start, stop)
    values = iter(np.split(at.astype(float), np.cumsum([len(piece) for piece in pieces])[:-1]))
    parts = [
        Part(piece, np.ones(len(piece), np.float32), (Variable("", next(values), ()),))
        for piece in pieces
    ]
    segment.commit(folder, parts)


@st.composite
def spaces_and_runs(draw):
    sizes = draw(st.lists(st.integers(1, 6), min_size=1, max_size=3))
    n = math.prod(sizes)
    edges = sorted(draw(st.sets(st.integers(0, n), max_size=8)))
    runs = [(*pair, draw(st.booleans())) for pair in itertools.pairwise(edges)]
    return sizes, draw(st.permutations(runs))[: draw(st.integers(0, 8))]


@given(spaces_and_runs())
@settings(deadline=None)
def test_every_point_is_where_the_memo_finds_it(tmp_path_factory, drawn):
    sizes, runs = drawn
    folder, maker = tmp_path_factory.mktemp("memo"), key_maker(made(sizes))
    for start, stop, is_listed in runs:
        committed(folder, maker, start, stop, is_listed=is_listed)
    index = memo.scan(folder)
    found, wanted = placing.place(maker, index), memo.match(maker, index)
    assert found is not None
    assert found[:].tolist() == wanted.entries.tolist()
    assert found.n_found == (wanted.entries >= 0).sum()
    assert found.first_of(index) == wanted.first
    missing = [position for gap in found.gaps() for position in gap]
    assert missing == np.flatnonzero(wanted.entries < 0).tolist()
    n = math.prod(sizes)
    for start, stop in ((0, n // 2), (n // 3, n), (n // 2, n // 2)):
        assert found[start:stop].tolist() == wanted.entries[start:stop].tolist()


@pytest.mark.parametrize("is_listed", [False, True])
def test_points_that_are_stored_twice_are_left_to_the_keys(tmp_path, is_listed):
    maker = key_maker(made([4, 5]))
    committed(tmp_path, maker, 0, 12, is_listed=False)
    committed(tmp_path, maker, 10, 20, is_listed=is_listed)
    assert placing.place(maker, memo.scan(tmp_path)) is None


def test_points_of_other_values_are_nowhere_and_parts_with_gaps_are_left_to_the_keys(tmp_path):
    wide, narrow = key_maker(made([4, 8])), key_maker(made([4, 5]))
    committed(tmp_path, wide, 5, 8, is_listed=False)  # x1 of 5 to 7, which the narrow one lacks
    committed(tmp_path, wide, 8, 10, is_listed=True)
    found = placing.place(narrow, memo.scan(tmp_path))
    assert found is not None
    assert np.flatnonzero(found[:] >= 0).tolist() == [5, 6]
    committed(tmp_path, wide, 16, 32, is_listed=False)
    assert placing.place(narrow, memo.scan(tmp_path)) is None


@given(st.lists(st.integers(1, 7), min_size=1, max_size=4), st.data())
def test_a_key_tells_its_position(sizes, data):
    draw = np.random.default_rng(data.draw(st.integers(0, 9)))
    sums = (draw.integers(0, 2**63, size=(size, 2), dtype=np.uint64) for size in (*sizes, 1))
    factors = Factors(tuple(map(str, range(len(sizes) + 1))), tuple(sums))
    at = draw.integers(0, len(factors), size=9)
    strange = draw.integers(0, 2**63, size=(3, 2), dtype=np.uint64)
    wanted = np.concatenate([strange, factors.keys()[at]])
    assert placing.positions_of(factors, wanted).tolist() == [-1] * 3 + at.tolist()


def test_so_many_listed_keys_that_looking_is_dear_are_left_to_the_memo(monkeypatch):
    factors = key_maker(made([4, 5])).factors
    monkeypatch.setattr(placing, "_MOST_LOOKED_UP", 20)
    assert placing.positions_of(factors, factors.keys()) is None


def test_listed_points_in_a_row_are_placed_however_many_they_are(tmp_path, monkeypatch):
    maker = key_maker(made([4, 5]))
    committed(tmp_path, maker, 3, 15, is_listed=True)
    monkeypatch.setattr(placing, "_MOST_LOOKED_UP", 20)
    assert placing.positions_of(maker.factors, maker(np.arange(3, 15))) is None
    found = placing.place(maker, memo.scan(tmp_path))
    assert found is not None
    assert np.flatnonzero(found[:] >= 0).tolist() == list(range(3, 15))
