"""A new file, on a full disk and under Ctrl-C."""

import contextlib
import os
import signal
import threading

import h5py
import numpy as np
import pytest

from sweeps.storage import disk, hdf5_create


@contextlib.contextmanager
def create(path):
    descriptor = disk.create(path)
    with hdf5_create.create(descriptor) as file:
        yield file
    disk.close(descriptor)


@contextlib.contextmanager
def extend(path):
    with path.open("r+b") as opened, hdf5_create.extend(opened.fileno()) as file:
        yield file


def test_a_file_is_written_in_the_place_of_what_was_there(tmp_path):
    path = tmp_path / "a.h5"
    path.write_bytes(b"mine" * 10_000)
    with path.open("r+b") as opened:
        opened.seek(7)
        with hdf5_create.create(opened.fileno()) as file:
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
