"""Laws of comparing: equal to the last bit is equal, and nothing else is."""

import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from sweeps.comparing import compare

DTYPES = [np.dtype(c) for c in ("?", "i1", "u8", "i8", "f4", "f8", "c8", "c16", "M8[us]", ">f8")]


def text(*values):
    made = np.empty(len(values), dtype=object)
    made[:] = values
    return made


@given(
    st.sampled_from(DTYPES).flatmap(lambda dtype: npst.arrays(dtype, npst.array_shapes(min_dims=0)))
)
def test_what_is_the_same_is_equal(array):
    found = compare("y", array, array.copy())
    assert (found.is_equal, found.n_differing, found.absolute) == (True, 0, None)


@given(
    npst.arrays(np.float64, (4,), elements=st.floats()),
    npst.arrays(np.float64, (4,), elements=st.floats()),
)
def test_floats_are_equal_where_their_bits_are_or_both_are_nan(a, b):
    same = [x.tobytes() == y.tobytes() or (x != x and y != y) for x, y in zip(a, b, strict=True)]
    found = compare("y", a, b)
    assert found.n_differing == same.count(False)
    assert found.is_equal == all(same)


@pytest.mark.parametrize(
    ("now", "stored", "n_differing", "absolute", "relative"),
    [
        (np.array(3.0), np.array(2.0), 1, 1.0, 0.5),
        (np.array(0.0), np.array(-0.0), 1, 0.0, None),
        (np.array([1.0, np.nan]), np.array([1.0, 2.0]), 1, None, None),
        (np.array([1.0, 5.0, np.inf]), np.array([np.nan, 4.0, 1.0]), 3, 1.0, 0.25),
        (np.array(2**62 + 1), np.array(2**62), 1, 1.0, 2.0**-62),
        (np.array(2**64 - 1, dtype=np.uint64), np.array(0, dtype=np.uint64), 1, 2.0**64, None),
        (np.array(3), np.array(3.0), 0, None, None),
        (np.array(3 + 4j), np.array(0j), 1, 5.0, None),
        (text("a", "b"), text("a", "c"), 1, None, None),
        (np.array([True]), np.array([False]), 1, None, None),
        (np.array("NaT", "M8[us]"), np.array("2024-01-01", "M8[us]"), 1, None, None),
        (np.array([1.0]), np.array([1.0, 2.0]), None, None, None),
        (text("a"), np.array([1.0]), None, None, None),
        (np.array(True), np.array(1), None, None, None),
        (np.array(1.0), None, None, None, None),
        (None, np.array(1.0), None, None, None),
    ],
)
def test_what_differs_says_by_how_much(now, stored, n_differing, absolute, relative):
    found = compare("y", now, stored)
    assert not found.is_equal
    assert (found.n_differing, found.absolute, found.relative) == (n_differing, absolute, relative)


def test_times_differ_by_a_microsecond():
    one = np.array(datetime.datetime(2024, 1, 1), "M8[us]")
    assert not compare("t", one, one + np.timedelta64(1, "us")).is_equal
