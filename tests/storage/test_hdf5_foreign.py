"""Files from anywhere: what asks for more than to be read is refused, before anything is done."""

import os
import warnings

import h5py
import numpy as np
import pytest

from sweeps.errors import HostileFileError, StorageError
from sweeps.storage import hdf5_foreign, hdf5_open

pytestmark = pytest.mark.usefixtures("children_that_look")


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


@pytest.mark.parametrize("opened", [hdf5_foreign.open_read, hdf5_open.open_own])
@pytest.mark.parametrize(
    "trick", [external_link, external_storage, virtual_layout, odd_filter, unknown_filter]
)
def test_files_that_ask_for_more_are_refused(tmp_path, trick, opened):
    (tmp_path / "secret").write_bytes(b"1234")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["secret"] = np.arange(3)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["fine"] = 1
        trick(file, tmp_path)
    with pytest.raises(HostileFileError, match="'a/b'"):
        opened(tmp_path / "a.h5")


def test_other_names_of_datasets_and_common_filters_are_fine(tmp_path):
    options = {"compression": "gzip", "shuffle": True, "fletcher32": True}
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("a/b", data=np.arange(3), **options)
        file["a/hard"] = file["a/b"]
        file["a/soft"] = h5py.SoftLink("/a/b")
    with hdf5_foreign.open_read(tmp_path / "a.h5") as file:
        assert file["a/hard"][:].tolist() == file["a/soft"][:].tolist() == [0, 1, 2]


@pytest.mark.parametrize("shape", [(2**18,), (600, 600), (2**25,)])
@pytest.mark.parametrize("is_filled", [True, False])
def test_what_is_cut_into_too_many_pieces_is_refused(tmp_path, shape, is_filled):
    """HDF5 is at each of them for some microseconds, in C, where no signal reaches it."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        made = file.create_dataset("a/b", shape, "i1", chunks=(1,) * len(shape))
        if is_filled:
            made[:10] = 1
    with pytest.raises(HostileFileError, match=r"'a/b' and others are cut into .* chunks"):
        hdf5_foreign.open_read(tmp_path / "a.h5")


def test_chunks_as_programs_make_them_are_fine(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("a/b", (10_000,), "f8", chunks=(1,), maxshape=(None,))
        file.create_dataset("a/c", (10_000, 100), "f8", chunks=True)
    with hdf5_foreign.open_read(tmp_path / "a.h5") as file:
        assert file["a/b"][9_999] == 0


@pytest.mark.parametrize("content", [b"", b"not HDF5" * 100, None])
def test_what_is_no_hdf5_file_is_said(tmp_path, content):
    if content is not None:
        (tmp_path / "a.h5").write_bytes(content)
    reason = "No such file" if content is None else "not an HDF5 file"
    with pytest.raises(StorageError, match=reason):
        hdf5_foreign.open_read(tmp_path / "a.h5")


def test_attributes_come_back_as_python_values(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs.update({"one": 1, "half": 0.5, "text": "é" * 70_000})
    found = hdf5_foreign.read_attributes(tmp_path / "a.h5")
    assert found == {"one": 1, "half": 0.5, "text": "é" * 70_000}
    assert [type(value) for value in found.values()] == [float, int, str]


def test_what_libraries_say_of_a_fork_is_not_for_readers(tmp_path, recwarn):
    said = []

    def warn():
        if said:  # at any other fork of this process it says nothing
            warnings.warn("os.fork() was called: this library has threads", RuntimeWarning, 2)

    os.register_at_fork(before=warn)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["a"] = 1
    said.append(True)
    try:
        hdf5_foreign.open_read(tmp_path / "a.h5").close()
    finally:
        said.clear()
    assert not recwarn.list
