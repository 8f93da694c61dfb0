"""The codec: what is written comes back; what cannot be is refused."""

import io
import unicodedata

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from sweeps.errors import OutputError
from sweeps.storage import hdf5, hdf5_write

NUMBERS = ["?", *(f"{kind}{n}" for kind in "iu" for n in (1, 2, 4, 8)), "f4", "f8", "c8", "c16"]
# HDF5's strings hold all of Unicode but NUL and halves of surrogate pairs.
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
SHAPES = npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)


def there_and_back(values):
    data = b"".join(hdf5_write.image(lambda file, put: put(file, "a", values)))
    with h5py.File(io.BytesIO(data)) as file:
        return hdf5.decode(file["a"])


@given(st.sampled_from(NUMBERS).flatmap(lambda dtype: npst.arrays(dtype, SHAPES)))
def test_numbers_come_back(values):
    found = there_and_back(values)
    assert found.dtype == values.dtype
    np.testing.assert_array_equal(found, values)


@given(npst.arrays(object, SHAPES, elements=TEXT, fill=st.nothing()))
def test_strings_come_back(values):
    found = there_and_back(values)
    assert found.dtype == object
    assert found.tolist() == values.tolist()


@pytest.mark.parametrize(
    ("given_dtype", "dtype"),
    [("M8[D]", "M8[D]"), ("M8[Y]", "M8[D]"), ("M8[s]", "M8[us]"), ("M8[ns]", "M8[ns]")],
)
def test_times_come_back_in_a_resolution_that_holds_them(given_dtype, dtype):
    values = np.array([["1969", "2038"], ["NaT", "2000"]], given_dtype)
    found = there_and_back(values)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize(
    ("given_dtype", "dtype"), [("m8[W]", "m8[us]"), ("m8[s]", "m8[us]"), ("m8[ns]", "m8[ns]")]
)
def test_differences_of_times_come_back(given_dtype, dtype):
    values = np.array([[1, -2], ["NaT", 3]], given_dtype)
    found = there_and_back(values)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, values)


def test_other_byte_orders_become_native():
    found = there_and_back(np.arange(3, dtype=">i4"))
    assert found.dtype.isnative
    assert found.tolist() == [0, 1, 2]


def test_a_selection_is_decoded_like_the_whole():
    data = b"".join(hdf5_write.image(lambda file, put: put(file, "a", np.array(["x", "é", ""]))))
    with h5py.File(io.BytesIO(data)) as file:
        assert hdf5.decode(file["a"], slice(1, 3)).tolist() == ["é", ""]
        assert hdf5.decode(file["a"], [0, 2]).tolist() == ["x", ""]


@pytest.mark.parametrize(
    "values",
    [
        np.zeros(1, "f2"),
        np.zeros(1, "g"),
        np.zeros(1, "G"),
        np.zeros(1, "m8[M]"),
        np.zeros(1, "m8"),
        np.zeros(1, "M8[ps]"),
        np.zeros(1, "S3"),
        np.zeros(1, "V3"),
        np.zeros(1, [("a", "f8")]),
        np.array([None]),
        np.array(["a", 1], object),
        np.array([b"a"], object),
    ],
    ids=str,
)
def test_what_netcdf_has_no_type_for_is_refused(values):
    with pytest.raises(OutputError, match="allowed are int8"):
        hdf5.encode(values)


@pytest.mark.parametrize("string", ["a\0b", "\ud800"])
def test_strings_that_hdf5_would_cut_are_refused(string):
    with pytest.raises(OutputError, match="not text"):
        hdf5.encode(np.array(["fine", string], object))


@given(st.text())
def test_text_makes_any_string_storable(string):
    hdf5.encode(np.array([hdf5.text(string)], object))


@given(TEXT)
def test_text_leaves_storable_strings_alone(string):
    assert hdf5.text(string) == string


@pytest.mark.parametrize("name", ["a", "1a", "_a", "energy drift", "é", "日本", "a-b", "x" * 255])
def test_names_that_every_reader_takes(name):
    hdf5.check_name(name)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a.b", "a/b", "a\0", "a\nb", "\ud800", " a", "a ", "x" * 256, "é" * 128]
)
def test_names_that_some_reader_refuses(name):
    with pytest.raises(OutputError, match="cannot name a variable"):
        hdf5.check_name(name)


@pytest.mark.parametrize(
    ("names", "clashes"),
    [
        (["a", "b"], []),
        (["a", "A", "b"], [("a", "A")]),
        (["straße", "STRASSE"], [("straße", "STRASSE")]),
        (["é", unicodedata.normalize("NFD", "é")], [("é", "e\u0301")]),
        (["a", "a"], [("a", "a")]),
    ],
)
def test_names_clash_where_case_or_form_is_lost(names, clashes):
    assert hdf5.clashing(names) == clashes
