"""Attributes that you declare: text and numbers that netCDF holds, none that say how it does."""

import json

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps import experiment, grid
from sweeps.declaration import attributes
from sweeps.errors import DeclarationError

numbers = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@given(texts | numbers | st.lists(numbers.filter(lambda n: abs(n) < 2**53), min_size=1))
def test_text_and_numbers_come_back_from_the_file(tmp_path_factory, value):
    kept = attributes.checked({"x": {"source": value}})["x"]["source"]
    assert json.loads(json.dumps(kept)) == kept
    with h5py.File("any.h5", "w", driver="core", backing_store=False) as file:
        file.attrs["source"] = kept
        assert np.array_equal(file.attrs["source"], value)


@pytest.mark.parametrize(
    "value", [True, np.int8(1), np.float32(1), np.array([1.0]), (1,), [1, 2.5]]
)
def test_numbers_of_other_types_are_pythons_own(value):
    kept = attributes.checked({"x": {"n": value}})["x"]["n"]
    assert np.array_equal(kept, value)
    assert type(kept) in (int, float, list)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"x": "m"}, "attrs maps names to attributes, not 'x' to 'm'"),
        ({1: {}}, "not 1 to {}"),
        ({"x": {"units": "m"}}, "give 'units' as units={'x': ...}"),
        ({"x": {"long_name": "m"}}, "give 'long_name' as long_name={'x': ...}"),
        ({"x": {"_FillValue": 0}}, "'_FillValue' says how the file stores values"),
        ({"x": {"scale_factor": 2}}, "'scale_factor' says how"),
        ({"x": {"coordinates": "y"}}, "'coordinates' says how"),
        ({"x": {"DIMENSION_LIST": "y"}}, "'DIMENSION_LIST' says how"),
        ({"x": {2: "y"}}, "2 is no name of an attribute"),
        ({"x": {"a/b": "y"}}, "'/' is not allowed in names"),
        ({"x": {"": "y"}}, "attrs of 'x': cannot name"),
        ({"x": {"n": None}}, "'n' is None: give text, a number, or a list"),
        ({"x": {"n": 1j}}, "'n' is 1j"),
        ({"x": {"n": []}}, "'n' is []"),
        ({"x": {"n": ["a"]}}, "'n' is ['a']"),
        ({"x": {"n": [[1]]}}, "'n' is [[1]]"),
        ({"x": {"n": [[1], 2]}}, "'n' is [[1], 2]"),
        ({"x": {"n": range(1001)}}, "a list of 1 to 1000 numbers"),
        ({"x": {"n": 2**63}}, "beyond 64 bits"),
        ({"x": {"n": 2**64}}, "'n' is 18446744073709551616: give text"),
        ({"x": {"n": "\0"}}, "is no text"),
        ({"x": {"n": "a" * 70_000}}, "take more than 60,000 bytes"),
    ],
)
def test_what_no_file_could_hold_is_refused(given, message):
    with pytest.raises(DeclarationError) as caught:
        attributes.checked(given)
    assert message in str(caught.value)


@pytest.mark.parametrize("given", [["x"], "x", 5])
def test_attributes_need_names(given):
    with pytest.raises(DeclarationError, match=r"attrs=\{'length'"):
        experiment(grid(x=[1]), attrs=given)


@pytest.mark.parametrize("given", ["x", {"x": 5}, {1: "m"}, {"x": "\0"}])
def test_long_names_are_text(given):
    with pytest.raises(DeclarationError, match="long_name"):
        experiment(grid(x=[1]), long_name=given)
