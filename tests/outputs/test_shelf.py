"""Large arrays of a block stand on memory that is used again, and nothing in use is overwritten."""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps.outputs import shelf
from sweeps.outputs.columns import snapshot, uniform

N = shelf._LEAST_BYTES // 8


def array(number, n=N):
    return np.full(n, float(number))


@pytest.fixture(autouse=True)
def _few_rows(monkeypatch):
    monkeypatch.setattr(shelf, "BLOCK_BYTES", 4 * array(0).nbytes)
    monkeypatch.setattr(shelf, "_own", threading.local())


@given(steps=st.lists(st.tuples(st.integers(0, 5), st.sampled_from([N, N + 8])), max_size=40))
def test_what_is_kept_stays_as_it_was(steps):
    kept = {}
    for number, (drop, n) in enumerate(steps):
        kept[number] = snapshot(array(number, n))
        kept.pop(number - drop, None)
        for other, own in kept.items():
            assert (own == other).all()


def test_the_source_may_change():
    source = array(1)
    own = snapshot(source)
    source[:] = 2
    assert (own == 1).all()


def test_a_block_is_one_array_without_a_copy():
    values = [snapshot(array(i)) for i in range(4)]
    (variable,) = uniform(values, name="made", dims={}, taken=frozenset(), units={})
    np.testing.assert_array_equal(variable.values, np.stack(values))
    assert all(np.shares_memory(variable.values, each) for each in values)


@pytest.mark.parametrize(
    "chosen",
    [[0, 2], [1, 0], [0, 1, 2, 3, 4, 5, 6]],
    ids=["a gap", "another order", "two shelves"],
)
def test_others_are_put_together_as_always(chosen):
    every = [snapshot(array(i)) for i in range(7)]
    column = [every[i] for i in chosen]
    (variable,) = uniform(column, name="made", dims={}, taken=frozenset(), units={})
    np.testing.assert_array_equal(variable.values, np.stack(column))
    assert not np.shares_memory(variable.values, every[0])


def test_memory_is_used_again_once_nothing_needs_it():
    before = snapshot(array(1)).__array_interface__["data"][0]
    kept = snapshot(array(2))
    assert kept.__array_interface__["data"][0] == before
    assert snapshot(array(3)).__array_interface__["data"][0] != before
    del kept
    assert snapshot(array(4)).__array_interface__["data"][0] == before


@pytest.mark.parametrize(
    "value",
    [np.zeros(3), np.zeros(10 * N), np.full(N, "x" * 4, object), np.zeros(N, "M8[s]")],
    ids=["small", "larger than a block", "objects", "times"],
)
def test_other_arrays_are_copied_as_always(value):
    assert snapshot(value).base is None
