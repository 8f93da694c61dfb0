"""Files of our own: what is behind their end is let be, and one that is cut is refused."""

import h5py
import numpy as np
import pytest

from sweeps.errors import HostileFileError, StorageError
from sweeps.storage import hdf5_open, hdf5_write


def written(n):
    return b"".join(hdf5_write.image(lambda file, put: put(file, "a", np.arange(n))))


def test_a_file_is_read_before_a_trailer(tmp_path):
    (tmp_path / "a.h5").write_bytes(written(3) + b"a digest")
    with hdf5_open.open_own(tmp_path / "a.h5") as file:
        assert file["a"][:].tolist() == [0, 1, 2]


def test_a_file_cut_anywhere_is_said(tmp_path):
    data = written(1000)
    for length in range(0, len(data) - 1, 97):
        (tmp_path / "a.h5").write_bytes(data[:length])
        with pytest.raises(StorageError, match="not an HDF5 file, or a damaged one"):
            hdf5_open.open_own(tmp_path / "a.h5")


def test_a_file_that_changed_is_looked_at_again(tmp_path):
    path = tmp_path / "a.h5"
    path.write_bytes(written(3))
    for _ in range(2):
        hdf5_open.open_own(path).close()
    with h5py.File(path, "a") as file:
        file["b"] = h5py.ExternalLink("elsewhere.h5", "a")
    for _ in range(2):
        with pytest.raises(HostileFileError, match="links to another file"):
            hdf5_open.open_own(path)
