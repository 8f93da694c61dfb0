"""Laws of files in memory: what HDF5 was only told of reads like what it wrote itself."""

import io

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps.storage import hdf5, hdf5_image

SIZES = st.lists(
    st.sampled_from([0, 1, 100, 2**13 - 1, 2**13, 2**13 + 1, 50_000]), min_size=1, max_size=6
)
DTYPES = ["f8", "c16", "u8", "?", "M8[us]"]


def filled(n, dtype):
    drawn = np.random.default_rng(n).integers(0, 2**31, n)
    return drawn.astype(dtype)


@given(SIZES, st.sampled_from(DTYPES))
def test_values_are_read_as_if_hdf5_had_written_them(sizes, dtype):
    given_values = [filled(n, dtype) for n in sizes]

    def build(file, put):
        for i, values in enumerate(given_values):
            put(file.require_group("values"), str(i), values)
            file[f"between{i}"] = np.arange(i)
        file.attrs["said"] = "at the end"

    content = b"".join(hdf5_image.image(build))
    with h5py.File(io.BytesIO(content)) as file:
        assert file.attrs["said"] == "at the end"
        for i, values in enumerate(given_values):
            found = hdf5.decode(file[f"values/{i}"])
            assert found.dtype == values.dtype
            np.testing.assert_array_equal(found, values)
            assert file[f"between{i}"][()].tolist() == list(range(i))


@pytest.mark.parametrize("shape", [(300, 400), (2, 300, 200), (1, 2**17)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_large_values_are_not_copied_but_for_their_order(shape, order):
    values = np.asarray(np.random.default_rng(0).random(shape), order=order)
    chunks = hdf5_image.image(lambda file, put: put(file, "a", values))
    is_shared = [np.shares_memory(np.frombuffer(c, np.uint8), values) for c in chunks if len(c)]
    assert any(is_shared) == values.flags.c_contiguous
    assert sum(len(c) for c in chunks if not isinstance(c, memoryview)) < 10_000
    with h5py.File(io.BytesIO(b"".join(chunks))) as file:
        np.testing.assert_array_equal(file["a"][()], values)


def test_the_same_values_make_the_same_file():
    made = [hdf5_image.image(lambda file, put: put(file, "a", filled(50_000, "f8"))) for _ in "ab"]
    assert b"".join(made[0]) == b"".join(made[1])
