"""Loading: a results file is enough to get the labelled values back."""

import subprocess
import sys

import h5py
import numpy as np
import pytest
import xarray as xr

from sweeps import loading
from sweeps.errors import HostileFileError, StorageError
from sweeps.landing import Coordinate, Failures, Output, Sheet, land
from sweeps.loading import load


def land_values(path, values, attrs=None):
    values = np.asarray(values)
    nobody = Failures(np.zeros(0, int), [], [], [], [], np.zeros(0, int))
    x = Coordinate("x", ("x",), np.arange(len(values)) / 4, None, {"units": "m"})
    y = Output("y", values.dtype, (), (), attrs or {}, False, lambda a, b: (values[a:b], None))
    n = len(values)
    said = {"experiment": "e"}
    at_once = lambda start, stop: np.zeros(stop - start, np.float32)  # noqa: E731
    land(path, Sheet({"x": n}, [x], [y], np.ones(n), at_once, nobody, said))


@pytest.mark.parametrize(
    "values",
    [
        np.array([1.5, np.nan]),
        np.array([2**62, -1]),
        np.array([1j, 2], "c8"),
        np.array([True, False]),
        np.array(["é", ""]),
        np.array(["2000-01-01T00:00:00.000001", "NaT"], "M8[us]"),
    ],
    ids=lambda values: str(values.dtype),
)
def test_values_come_back_in_their_dtype(tmp_path, values):
    land_values(tmp_path / "a.h5", values, {"long_name": "why"})
    found = load(tmp_path / "a.h5")
    assert found.y.dtype.kind == values.dtype.kind
    np.testing.assert_array_equal(found.y, values)
    assert found.x.attrs == {"units": "m"}
    assert found.y.attrs == {"long_name": "why"}
    assert found.attrs["experiment"] == "e"


@pytest.mark.skipif(not hasattr(xr, "coders"), reason="xarray < 2025.1 has nanoseconds only")
def test_times_outside_of_the_nanosecond_era_come_back(tmp_path):
    values = np.array(["1066-10-14", "4000-01-01"], "M8[D]")
    land_values(tmp_path / "a.h5", values)
    np.testing.assert_array_equal(load(tmp_path / "a.h5").y, values)


@pytest.mark.parametrize("eager_bytes", [0, 2**30], ids=["lazy", "eager"])
def test_a_dataset_outlives_its_file(tmp_path, monkeypatch, eager_bytes):
    monkeypatch.setattr(loading, "EAGER_BYTES", eager_bytes)
    path = tmp_path / "a.h5"
    land_values(path, [1.0, 2.0])
    with load(path) as dataset:
        land_values(path, [3.0, 4.0])
        assert dataset.y.values.tolist() == [1.0, 2.0]
    with load(path) as dataset:
        assert dataset.y.values.tolist() == [3.0, 4.0]


def test_a_missing_file_says_how_to_make_it(tmp_path):
    with pytest.raises(StorageError, match="python -m sweeps run pendulum"):
        load(tmp_path / "pendulum.h5")


def test_a_group_is_loaded_like_a_file(tmp_path):
    land_values(tmp_path / "a.h5", [1.0, 2.0])
    assert load(tmp_path / "a.h5", "_sweeps").status.values.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("group", "message"),
    [
        ("summary", r"no group 'summary' in .*a\.h5; register a function by @a\.summary"),
        ("_sweep", r"no group '_sweep' .*; found: _sweeps\. Did you mean '_sweeps'\?"),
        ("y", "no group 'y'"),
        ("", "no group ''"),
        ("_sweeps/nothing", "no group '_sweeps/nothing'"),
    ],
)
def test_a_missing_group_is_said(tmp_path, group, message):
    land_values(tmp_path / "a.h5", [1.0, 2.0])
    with pytest.raises(StorageError, match=message):
        load(tmp_path / "a.h5", group)


def test_what_is_no_hdf5_file_is_said(tmp_path):
    (tmp_path / "a.h5").write_text("x,y\n1,2\n")
    with pytest.raises(StorageError, match="not an HDF5 file"):
        load(tmp_path / "a.h5")


def test_a_file_that_reaches_outside_is_refused(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = h5py.ExternalLink("/etc/passwd", "/")
    with pytest.raises(HostileFileError):
        load(tmp_path / "a.h5")


def test_importing_loading_does_not_import_xarray():
    code = "import sys, sweeps.loading; sys.exit('xarray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
