"""The law of places: a part's sums are found where they stand, whatever its order and size."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps.spaces import keys
from tests.sizes import examples

HALVES = st.one_of(  # some end alike, in the bits that are looked at first
    st.integers(0, 5),
    st.integers(0, 5).map(lambda n: 1 + n * 2**16),
    st.integers(0, 2**64 - 1),
)
SUMS = st.lists(st.tuples(HALVES, st.integers(0, 2)), max_size=12)


def made(rows):
    return np.array(rows, dtype=np.uint64).reshape(-1, 2)


@examples(200)
@given(st.lists(st.tuples(HALVES, st.integers(0, 2)), unique_by=lambda row: row[0]), st.data())
def test_sums_are_found_where_they_stand(space, data):
    start = data.draw(st.integers(0, len(space)))
    stop = data.draw(st.integers(start, len(space)))
    others = data.draw(SUMS)
    parts = [space[start:stop], space[start:stop] + others, space[stop:start:-1], others]
    find = keys.finder(made(space), map(made, parts))
    for part in parts:
        assert find(made(part)).tolist() == [space.index(s) if s in space else -1 for s in part]


def test_a_run_of_a_long_axis_is_found_without_sorting_it(monkeypatch):
    sums = np.random.default_rng(0).integers(0, 2**64, (10_000, 2), dtype=np.uint64)
    parts = [sums[:5000], sums[5000:9999], sums[7:8]]
    find = keys.finder(sums, parts)
    monkeypatch.setattr(keys, "match", pytest.fail)
    for start, part in zip([0, 5000, 7], parts, strict=True):
        assert np.array_equal(find(part), start + np.arange(len(part)))


@given(SUMS)
def test_equal_first_halves_are_noticed(rows):
    assert keys.has_equal(made(rows)) == (len({first for first, _ in rows}) < len(rows))
