"""The law of places: a part's sums are found where they stand, whatever its order and size."""

import functools

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
@given(
    st.lists(st.tuples(HALVES, st.integers(0, 2)), min_size=1, unique_by=lambda row: row[0]),
    st.data(),
)
def test_sums_are_found_where_they_stand(space, data):
    start = data.draw(st.integers(0, len(space)))
    stop = data.draw(st.integers(start, len(space)))
    others = data.draw(SUMS)
    parts = [space[start:stop], space[start:stop] + others, space[stop:start:-1], others]
    parts.append([row for part in data.draw(st.permutations(parts)) for row in part])
    with pytest.MonkeyPatch.context() as patch:  # as if both were long
        patch.setattr(keys, "_RUN", data.draw(st.sampled_from([1, 2, 1024])))
        patch.setattr(keys, "_FEW", data.draw(st.sampled_from([0, 1, 64])))
        find = keys.finder(made(space), map(made, parts))
        for part in parts:
            places = [space.index(row) if row in space else -1 for row in part]
            assert find(made(part)).tolist() == places


def test_runs_of_a_long_axis_are_found_without_sorting_it(monkeypatch):
    sums = np.random.default_rng(0).integers(0, 2**64, (200_000, 2), dtype=np.uint64)
    pieces = np.split(np.arange(len(sums)), [70_000, 70_001, 150_000])
    merged = np.concatenate([pieces[2], pieces[3], pieces[0]])
    find = keys.finder(sums, [sums[:90_000], sums[7:8], sums[merged]])
    monkeypatch.setattr(np, "argsort", functools.partial(few_sorted, np.argsort))
    for places in (np.arange(90_000), np.arange(7, 8), merged):
        assert np.array_equal(find(sums[places]), places)


def few_sorted(argsort, numbers):
    assert len(numbers) < 10_000
    return argsort(numbers)


@given(SUMS)
def test_equal_first_halves_are_noticed(rows):
    own = keys.Factors(("x", ""), (made(rows), keys.NOTHING))
    assert own.has_equal == (len({first for first, _ in rows}) < len(rows))
