"""An overview leaves no point out, and timing counts those that are done."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from sweeps.storage.hdf5 import STATUS
from sweeps.viewer.overviews import MOST_COLUMNS, MOST_ROWS, overview, timing
from tests.viewer.test_cuts import Made

SHAPES = st.one_of(
    npst.array_shapes(min_dims=1, max_dims=4, max_side=7),
    st.tuples(st.integers(1, 3000)),
    st.tuples(st.integers(100, 300), st.integers(100, 300)),
)


@given(SHAPES, st.integers(0, 2**32 - 1))
def test_the_state_of_each_point_is_in_some_cell(shape, seed):
    status = np.random.default_rng(seed).choice(
        4, size=int(np.prod(shape)), p=[0.1, 0.8, 0.05, 0.05]
    )
    shares = overview(Made(np.zeros(shape), status)).shares
    rows, columns, n_states = shares.shape
    assert rows <= MOST_ROWS
    assert columns <= MOST_COLUMNS
    assert n_states == len(STATUS)
    for code in STATUS.values():
        assert (shares[..., code] > 0).any() == (status == code).any()


@pytest.mark.parametrize("place", [0, 12_345, 999_999])
def test_one_failed_point_of_a_million_is_seen(place):
    status = np.full(10**6, STATUS["done"])
    status[place] = STATUS["failed"]
    found = overview(Made(np.zeros((100, 100, 100)), status))
    assert np.count_nonzero(found.shares[..., STATUS["failed"]]) == 1


def test_the_longest_dimension_is_across_and_each_cell_is_where_it_belongs():
    values = np.zeros((2, 5, 3))
    status = np.full(values.shape, STATUS["done"])
    status[:, 4, 1] = STATUS["missing"]
    found = overview(Made(values, status.reshape(-1)))
    assert (found.x, found.y, found.shares.shape) == ("b", "c", (3, 5, 4))
    assert np.argwhere(found.shares[..., STATUS["missing"]] == 255).tolist() == [[1, 4]]


def test_timing_counts_each_point_once_and_lists_the_slowest():
    found = timing(Made(np.zeros(100)))
    assert (found.n, sum(found.counts), found.total_s) == (100, 100, 99 * 50)
    assert [each.seconds for each in found.slowest] == [99.0 - n for n in range(10)]
    assert found.slowest[0].params == {"a": "109"}
    assert len(found.edges_s) == len(found.counts) + 1


@pytest.mark.parametrize("taken", [[], [np.nan], [0.0, 0.0], [1.0]])
def test_timing_of_few_points(taken, monkeypatch):
    monkeypatch.setattr(Made, "elapsed", np.array(taken, dtype=np.float32))
    found = timing(Made(np.zeros(max(1, len(taken)))))
    assert found.n == sum(found.counts) == np.count_nonzero(np.isfinite(taken))
