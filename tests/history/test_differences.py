"""Differences: exact means equal to the last bit, and numbers are those of numpy."""

import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sweeps.history.differences import merged, of_variable, pair
from sweeps.outputs.types import Variable

DTYPES = st.sampled_from(["f8", "f4", "i8", "u8", "i1", "c16", "?", "M8[us]", "m8[us]"])


def at(n):
    return np.arange(n) * 10


def compare(then, now, **options):
    then, now = np.asarray(then), np.asarray(now)
    return of_variable("y", Variable("y", then), Variable("y", now), at(len(then)), **options)


@given(values=DTYPES.flatmap(lambda d: hnp.arrays(d, hnp.array_shapes(max_dims=3, max_side=4))))
def test_equal_values_are_exact_nan_and_nat_included(values):
    found = compare(values, values.copy())
    assert found.is_exact
    assert (found.absolute in (None, 0.0), found.relative in (None, 0.0)) == (True, True)
    assert found.at is None


@given(
    values=hnp.arrays("f8", st.integers(1, 6), elements=st.floats(-1e6, 1e6)),
    data=st.data(),
)
def test_one_other_value_is_found_where_it_is(values, data):
    i = data.draw(st.integers(0, len(values) - 1))
    other = values.copy()
    other[i] = np.nextafter(other[i], np.inf)
    found = compare(values, other)
    assert (found.is_exact, found.equal, found.at) == (False, len(values) - 1, 10 * i)
    assert found.absolute == abs(other[i] - values[i])
    expected = np.inf if values[i] == 0 else abs(other[i] - values[i]) / abs(values[i])
    assert found.relative == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("then", "now", "absolute", "relative"),
    [
        ([1.0, np.nan], [1.0, 2.0], np.inf, np.inf),
        ([np.inf], [1.0], np.inf, np.inf),
        ([np.inf], [np.inf], 0.0, 0.0),
        ([0.0], [0.5], 0.5, np.inf),
        ([2**63 - 1], [2**63 - 2], 1.0, pytest.approx(2.0**-63)),
        (np.array([2**64 - 1], "u8"), np.array([0], "u8"), float(2**64 - 1), 1.0),
        ([3 + 4j], [3 + 5j], 1.0, 0.2),
        ([[1.0, 2.0]], [[1.0, 4.0]], 2.0, 1.0),
    ],
)
def test_numbers(then, now, absolute, relative):
    found = compare(then, now)
    assert (found.absolute, found.relative) == (absolute, relative)
    assert found.is_exact == (absolute == 0)


@pytest.mark.parametrize(
    ("then", "now"),
    [
        (np.array(["a", "b"], object), np.array(["a", "c"], object)),
        ([True, False], [True, True]),
        (np.array(["2026-01-01", "NaT"], "M8[D]"), np.array(["2026-01-01", "2026-01-02"], "M8[D]")),
    ],
)
def test_what_is_no_number_is_equal_or_not(then, now):
    found = compare(then, now)
    assert (found.equal, found.absolute, found.at) == (1, None, 10)


@pytest.mark.parametrize(
    ("then", "now", "note"),
    [
        ([1, 2], [1.0, 2.0], "dtype was int64 and now float64"),
        ([1.0, 2.0], [[1.0], [2.0]], r"shape was () and now (1,)"),
        (["a", "b"], [1.0, 2.0], "dtype was <U1 and now float64"),
    ],
)
def test_another_dtype_or_shape_is_not_exact(then, now, note):
    found = compare(then, now)
    assert not found.is_exact
    assert found.note == note


def test_lengths_that_differ_from_point_to_point():
    then = Variable("y", np.array([1.0, 2.0, 3.0]), ("y_dim_0",), np.array([1, 2]))
    now = Variable("y", np.array([1.0, 2.0, 3.0]), ("y_dim_0",), np.array([2, 1]))
    assert of_variable("y", then, then, at(2)).is_exact
    assert of_variable("y", then, now, at(2)).note == "shape was (1,) and now (2,)"


def test_outputs_that_are_new_or_gone():
    there = Variable("y", np.array([1.0]))
    assert of_variable("y", None, there, at(1)).note == "a new output"
    assert of_variable("y", there, None, at(1)).note == "is no longer returned"
    assert not of_variable("y", None, there, at(1)).is_exact


@given(values=hnp.arrays("f8", 6, elements=st.floats(-10, 10)), cut=st.integers(1, 5))
def test_comparing_in_pieces_is_comparing_at_once(values, cut):
    other = np.roll(values, 1)
    whole = compare(values, other)
    places = at(6)
    pieces = [
        of_variable("y", Variable("y", values[s]), Variable("y", other[s]), places[s])
        for s in (slice(0, cut), slice(cut, 6))
    ]
    put_together = merged(pieces)
    for name in ("points", "equal", "absolute", "relative", "note"):
        assert getattr(put_together, name) == getattr(whole, name)


# ---- one output of one point

DTYPES_OF_PAIRS = [
    np.dtype(c) for c in ("?", "i1", "u8", "i8", "f4", "f8", "c8", "c16", "M8[us]", "m8[us]", ">f8")
]


def text(*values):
    made = np.empty(len(values), dtype=object)
    made[:] = values
    return made


@given(
    st.sampled_from(DTYPES_OF_PAIRS).flatmap(
        lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0))
    )
)
def test_what_is_the_same_is_equal(array):
    found = pair("y", array, array.copy())
    assert (found.is_equal, found.n_differing, found.absolute) == (True, 0, None)


@given(
    hnp.arrays(np.float64, (4,), elements=st.floats()),
    hnp.arrays(np.float64, (4,), elements=st.floats()),
)
def test_floats_are_equal_where_their_bits_are_or_both_are_nan(a, b):
    same = [x.tobytes() == y.tobytes() or (x != x and y != y) for x, y in zip(a, b, strict=True)]
    found = pair("y", a, b)
    assert found.n_differing == same.count(False)
    assert found.is_equal == all(same)


@pytest.mark.parametrize(
    ("now", "stored", "n_differing", "absolute", "relative"),
    [
        (np.array(3.0), np.array(2.0), 1, 1.0, 0.5),
        (np.array(0.0), np.array(-0.0), 1, 0.0, 0.0),
        (np.array([1.0, np.nan]), np.array([1.0, 2.0]), 1, np.inf, np.inf),
        (np.array([1.0, 5.0, np.inf]), np.array([np.nan, 4.0, 1.0]), 3, np.inf, np.inf),
        (np.array(2**62 + 1), np.array(2**62), 1, 1.0, 2.0**-62),
        (np.array(2**64 - 1, dtype=np.uint64), np.array(0, dtype=np.uint64), 1, 2.0**64, np.inf),
        (np.array(3), np.array(3.0), 0, None, None),
        (np.array(3 + 4j), np.array(0j), 1, 5.0, np.inf),
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
    found = pair("y", now, stored)
    assert not found.is_equal
    assert (found.n_differing, found.absolute, found.relative) == (n_differing, absolute, relative)


def test_times_differ_by_a_microsecond():
    one = np.array(datetime.datetime(2024, 1, 1), "M8[us]")
    assert not pair("t", one, one + np.timedelta64(1, "us")).is_equal
