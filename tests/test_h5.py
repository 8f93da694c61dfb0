"""The codec: what is written comes back; what cannot be is refused; nothing reaches outside."""

import unicodedata

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from sweeps import h5
from sweeps.errors import HostileFileError, OutputError, StorageError

NUMBERS = ["?", *(f"{kind}{n}" for kind in "iu" for n in (1, 2, 4, 8)), "f4", "f8", "c8", "c16"]
# HDF5's strings hold all of Unicode but NUL and halves of surrogate pairs.
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
SHAPES = npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)


def there_and_back(values):
    data = h5.image(lambda file: h5.write(file, "a", values) and None)
    with h5.open_image(data) as file:
        return h5.decode(file["a"])


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


def test_other_byte_orders_become_native():
    found = there_and_back(np.arange(3, dtype=">i4"))
    assert found.dtype.isnative
    assert found.tolist() == [0, 1, 2]


def test_a_selection_is_decoded_like_the_whole():
    data = h5.image(lambda file: h5.write(file, "a", np.array(["x", "é", ""])) and None)
    with h5.open_image(data) as file:
        assert h5.decode(file["a"], slice(1, 3)).tolist() == ["é", ""]
        assert h5.decode(file["a"], [0, 2]).tolist() == ["x", ""]


@pytest.mark.parametrize(
    "values",
    [
        np.zeros(1, "f2"),
        np.zeros(1, "g"),
        np.zeros(1, "G"),
        np.zeros(1, "m8[s]"),
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
    with pytest.raises(OutputError, match="allowed are bool, int8"):
        h5.encode(values)


@pytest.mark.parametrize("string", ["a\0b", "\ud800"])
def test_strings_that_hdf5_would_cut_are_refused(string):
    with pytest.raises(OutputError, match="not text"):
        h5.encode(np.array(["fine", string], object))


@given(st.text())
def test_text_makes_any_string_storable(string):
    h5.encode(np.array([h5.text(string)], object))


@given(TEXT)
def test_text_leaves_storable_strings_alone(string):
    assert h5.text(string) == string


def test_reading_from_a_memoryview_and_before_a_trailer():
    data = h5.image(lambda file: h5.write(file, "a", np.arange(3)) and None)
    with h5.open_image(memoryview(data + b"a digest")) as file:
        assert file["a"][:].tolist() == [0, 1, 2]


def external_link(file, folder):
    file["a/b"] = h5py.ExternalLink(str(folder / "other.h5"), "/secret")


def external_storage(file, folder):
    file.create_dataset("a/b", (4,), "i1", external=[(str(folder / "secret"), 0, 4)])


def virtual_layout(file, folder):
    layout = h5py.VirtualLayout((3,), "i8")
    layout[:] = h5py.VirtualSource(str(folder / "other.h5"), "secret", (3,))
    file.create_virtual_dataset("a/b", layout)


def odd_filter(file, folder):
    file.create_dataset("a/b", data=np.arange(3), compression="lzf")


def unknown_filter(file, folder):
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_chunk((3,))
    plan.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, (1,))
    space = h5py.h5s.create_simple((3,))
    h5py.h5d.create(file.create_group("a").id, b"b", h5py.h5t.NATIVE_INT32, space, plan)


@pytest.mark.parametrize(
    "trick", [external_link, external_storage, virtual_layout, odd_filter, unknown_filter]
)
def test_files_that_ask_for_more_are_refused(tmp_path, trick):
    (tmp_path / "secret").write_bytes(b"1234")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["secret"] = np.arange(3)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["fine"] = 1
        trick(file, tmp_path)
    with pytest.raises(HostileFileError, match="'a/b'"):
        h5.open_read(tmp_path / "a.h5")
    with pytest.raises(HostileFileError, match="'a/b'"):
        h5.open_image((tmp_path / "a.h5").read_bytes())


def test_loops_and_common_filters_are_fine(tmp_path):
    options = {"compression": "gzip", "shuffle": True, "fletcher32": True}
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("a/b", data=np.arange(3), **options)
        file["a/up"] = file["/"]
        file["a/soft"] = h5py.SoftLink("/a")
    with h5.open_read(tmp_path / "a.h5") as file:
        assert file["a/up/a/soft/b"][:].tolist() == [0, 1, 2]


@pytest.mark.parametrize("content", [b"", b"not HDF5" * 100, None])
def test_what_is_no_hdf5_file_is_said(tmp_path, content):
    if content is not None:
        (tmp_path / "a.h5").write_bytes(content)
    reason = "No such file" if content is None else "not an HDF5 file"
    with pytest.raises(StorageError, match=reason):
        h5.open_read(tmp_path / "a.h5")


def test_a_file_cut_anywhere_is_said(tmp_path):
    data = h5.image(lambda file: h5.write(file, "a", np.arange(1000)) and None)
    for length in range(0, len(data) - 1, 97):
        with pytest.raises(StorageError, match="not an HDF5 file, or a damaged one"):
            h5.open_image(data[:length])


def test_attributes_come_back_as_python_values(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs.update({"one": 1, "half": 0.5, "text": "é" * 70_000})
    found = h5.read_attributes(tmp_path / "a.h5")
    assert found == {"one": 1, "half": 0.5, "text": "é" * 70_000}
    assert [type(value) for value in found.values()] == [float, int, str]


@pytest.mark.parametrize("name", ["a", "1a", "_a", "energy drift", "é", "日本", "a-b", "x" * 255])
def test_names_that_every_reader_takes(name):
    h5.check_name(name)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a.b", "a/b", "a\0", "a\nb", "\ud800", " a", "a ", "x" * 256, "é" * 128]
)
def test_names_that_some_reader_refuses(name):
    with pytest.raises(OutputError, match="cannot name a variable"):
        h5.check_name(name)


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
    assert h5.clashing(names) == clashes
