"""Files to write: on a full disk, under Ctrl-C, and in memory as HDF5 itself writes them."""

import contextlib
import io
import os
import signal
import threading

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps.storage import disk, hdf5, hdf5_write

SIZES = st.lists(
    st.sampled_from([0, 1, 100, 2**13 - 1, 2**13, 2**13 + 1, 50_000]), min_size=1, max_size=6
)
DTYPES = ["f8", "c16", "u8", "?", "M8[us]"]


@contextlib.contextmanager
def create(path):
    descriptor = disk.create(path)
    with hdf5_write.create(descriptor) as file:
        yield file
    disk.close(descriptor)


@contextlib.contextmanager
def extend(path):
    with path.open("r+b") as opened, hdf5_write.extend(opened.fileno()) as file:
        yield file


def test_a_file_is_written_in_the_place_of_what_was_there(tmp_path):
    path = tmp_path / "a.h5"
    path.write_bytes(b"mine" * 10_000)
    with path.open("r+b") as opened:
        opened.seek(7)
        with hdf5_write.create(opened.fileno()) as file:
            file["a"] = 1
    assert b"mine" not in path.read_bytes()
    with h5py.File(path) as file:
        assert file["a"][()] == 1


def test_an_interrupt_waits_until_the_file_is_whole(tmp_path):
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), create(tmp_path / "a.h5") as file:
        for i in range(20):
            os.kill(os.getpid(), signal.SIGINT)
            file[f"a{i}"] = np.arange(10_000)
    assert signal.getsignal(signal.SIGINT) is before
    with h5py.File(tmp_path / "a.h5") as file:
        assert len(file) == 20
        assert file["a19"][-1] == 9_999


def test_other_threads_can_create_too(tmp_path):
    def make():
        with create(tmp_path / "a.h5") as file:
            file["a"] = 1

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["a"][()] == 1


def test_a_file_that_is_there_can_be_extended(tmp_path):
    path = tmp_path / "a.h5"
    with create(path) as file:
        file["a"] = np.arange(5)
    for name in ("b", "c"):
        with extend(path) as file:
            file[name] = np.arange(10_000)
    with h5py.File(path) as file:
        assert [file[name].shape for name in file] == [(5,), (10_000,), (10_000,)]


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

    content = b"".join(hdf5_write.image(build))
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
    chunks = hdf5_write.image(lambda file, put: put(file, "a", values))
    is_shared = [np.shares_memory(np.frombuffer(c, np.uint8), values) for c in chunks if len(c)]
    assert any(is_shared) == values.flags.c_contiguous
    assert sum(len(c) for c in chunks if not isinstance(c, memoryview)) < 10_000
    with h5py.File(io.BytesIO(b"".join(chunks))) as file:
        np.testing.assert_array_equal(file["a"][()], values)


def test_the_same_values_make_the_same_file():
    made = [hdf5_write.image(lambda file, put: put(file, "a", filled(50_000, "f8"))) for _ in "ab"]
    assert b"".join(made[0]) == b"".join(made[1])
