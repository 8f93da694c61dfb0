"""Loading: a results file is enough to get the labelled values back."""

import pickle
import subprocess
import sys
from collections import Counter
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

import sweeps as package
from sweeps import experiment, grid
from sweeps.errors import HostileFileError, LaterFormatError, StorageError
from sweeps.operations import show
from sweeps.results import datasets
from sweeps.results.contents import Coordinate, Failures, Output, Sheet
from sweeps.results.write import land
from sweeps.storage import dataset as storage_dataset
from sweeps.storage import hdf5_open
from sweeps.storage.dataset import load

pytestmark = pytest.mark.usefixtures("children_that_look")

LATER = b"sweeps-results-3"


def land_values(path, values, attrs=None):
    values = np.asarray(values)
    nobody = Failures(np.zeros(0, int), [], [], [], [], np.zeros(0, int))
    x = Coordinate("x", ("x",), np.arange(len(values)) / 4, None, {"units": "m"})
    y = Output("y", values.dtype, (), (), attrs or {}, False, lambda a, b: (values[a:b], None))
    n = len(values)
    said = {"experiment": "e"}
    at_once = lambda start, stop: np.zeros(stop - start, np.float32)  # noqa: E731
    done = lambda start, stop: np.ones(stop - start, np.int8)  # noqa: E731
    land(path, Sheet({"x": n}, [x], [y], done, at_once, nobody, said))


def test_many_outputs_are_looked_at_in_proportion(tmp_path, monkeypatch):
    """Opening a dataset again and again, or looking for its coordinates, took minutes."""
    n, path, calls = 70, tmp_path / "wide.h5", Counter()
    with h5py.File(path, "w", track_order=True) as file:
        for i in range(n):
            scale = datasets.bare_dimension(file, f"x{i}", 2)
            file.create_dataset(f"y{i}", data=[i, i]).dims[0].attach_scale(scale)

    def count(owner, name):
        true = getattr(owner, name)

        def counted(self, *given):
            calls[name] += isinstance(self, (h5py.File, xr.Dataset))
            return true(self, *given)

        monkeypatch.setattr(owner, name, counted)

    count(h5py.Group, "__getitem__")
    count(xr.Dataset, "_construct_dataarray")
    monkeypatch.setattr(hdf5_open, "MAX_LINKS", n)  # a file may have more that is as large
    dataset = storage_dataset.read(path).dataset
    assert [dataset.variables[f"y{i}"].dims for i in range(n)] == [(f"x{i}",) for i in range(n)]
    assert len(show.view(path).outputs) == n
    assert calls["__getitem__"] < 8 * 2 * n
    assert calls["_construct_dataarray"] < n / 10


@pytest.mark.parametrize(
    "values",
    [
        np.array([1.5, np.nan]),
        np.array([2**62, -1]),
        np.array([1j, 2], "c8"),
        np.array([True, False]),
        np.array(["é", ""]),
        np.array(["2000-01-01T00:00:00.000001", "NaT"], "M8[us]"),
        np.array([1, "NaT"], "m8[us]"),
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
    monkeypatch.setattr(storage_dataset, "EAGER_BYTES", eager_bytes)
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
        ("summary", r"no group 'summary' in .*a\.h5; register a function with @a\.summary"),
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
    code = "import sys, sweeps.storage.dataset; sys.exit('xarray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


OPENERS = {
    "default": h5py.File,
    "locked": lambda path: h5py.File(path, locking=True),
    "unlocked": lambda path: h5py.File(path, locking=False),
    "best effort": lambda path: h5py.File(path, locking="best-effort"),
    "stdio": lambda path: h5py.File(path, driver="stdio"),
    "core": lambda path: h5py.File(path, driver="core"),
    "latest": lambda path: h5py.File(path, libver="latest"),
    "swmr": lambda path: h5py.File(path, swmr=True),
    "h5netcdf": lambda path: xr.open_dataset(path, engine="h5netcdf"),
    "netcdf4": lambda path: xr.open_dataset(path, engine="netcdf4"),
}


@pytest.mark.parametrize(
    ("opener", "eager_bytes"),
    [
        pytest.param(opener, 2**30 * is_eager, id=f"{name}, {['lazy', 'eager'][is_eager]}")
        for name, opener in OPENERS.items()
        for is_eager in (False, *([True] if name in ("default", "netcdf4") else []))
    ],
)
def test_who_has_a_file_open_is_in_nobodys_way(tmp_path, monkeypatch, opener, eager_bytes):
    """Neither the user in that of `load`, nor `load` in that of the user."""
    monkeypatch.setattr(storage_dataset, "EAGER_BYTES", eager_bytes)
    land_values(path := tmp_path / "e.h5", [1.0, 2.0])
    with opener(path) as held:
        dataset = load(path)
        assert np.asarray(held["y"][:]).tolist() == dataset.y.values.tolist() == [1, 2]
    first = load(path)
    with opener(path) as held:
        assert np.asarray(held["y"][:]).tolist() == first.y.values.tolist() == [1, 2]


@pytest.mark.parametrize("locking", [True, False])
def test_a_file_that_is_open_for_writing_is_not_called_damaged(tmp_path, locking):
    land_values(path := tmp_path / "e.h5", [1.0, 2.0])
    with (
        h5py.File(path, "a", locking=locking) as held,
        pytest.raises(StorageError, match="open for writing") as told,
    ):
        held["y"][0] = 3
        held.flush()
        load(path)
    assert "damaged" not in str(told.value)
    assert load(path).y.values.tolist() == [3, 2]


def _refuse(error):
    def refuse(*_args, **_options):
        raise error

    return refuse


@pytest.mark.parametrize(
    ("place", "error", "reason"),
    [
        ("os.open", PermissionError(13, "x"), "Permission denied"),
        ("os.open", OSError(24, "x"), "Too many open files"),
        ("os.read", OSError(5, "x"), "Input/output error"),
        ("os.preadv", OSError(116, "x"), "Stale file handle"),
        ("os.pipe", OSError(24, "x"), "Too many open files"),
        ("os.fork", OSError(11, "x"), "Resource temporarily unavailable"),
        ("h5py.File", MemoryError(), "not enough memory"),
        ("xarray.open_dataset", MemoryError(), "not enough memory"),
        ("xarray.open_dataset", ImportError("no h5netcdf"), "no h5netcdf"),
    ],
)
def test_what_the_machine_lacks_is_said_as_it_is(tmp_path, monkeypatch, place, error, reason):
    land_values(path := tmp_path / "e.h5", [1.0, 2.0])
    monkeypatch.setattr(place, _refuse(error))
    with pytest.raises(StorageError, match=reason) as told:
        load(path)
    monkeypatch.undo()
    assert "damaged" not in str(told.value)


def test_a_package_that_is_missing_is_said(tmp_path, monkeypatch):
    land_values(path := tmp_path / "e.h5", [1.0, 2.0])
    monkeypatch.setitem(sys.modules, "h5netcdf", None)
    with pytest.raises(StorageError, match=r"package cannot be imported \(.*h5netcdf"):
        load(path)


def test_a_lazy_dataset_shows_one_state_whatever_becomes_of_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(storage_dataset, "EAGER_BYTES", 0)
    land_values(path := tmp_path / "e.h5", [1.0, 2.0])
    dataset = load(path)
    with xr.set_options(file_cache_maxsize=1):
        land_values(path, [3.0, 4.0, 5.0])
        others = [load(path) for _ in range(3)]
        assert all(other.y.values.tolist() == [3, 4, 5] for other in others)
        assert dataset.x.values.tolist() == [0, 0.25]
        assert dataset.y.values.tolist() == [1, 2]


def test_a_lazy_dataset_is_the_same_in_other_processes_or_says_that_it_was_replaced(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(storage_dataset, "EAGER_BYTES", 0)
    monkeypatch.chdir(tmp_path)
    land_values(Path("e.h5"), [1.0, 2.0])
    (tmp_path / "pickled").write_bytes(pickle.dumps(load(Path("e.h5"))))
    program = "import pickle; print(pickle.load(open({!r}, 'rb')).y.values.tolist())"
    program = program.format(str(tmp_path / "pickled"))
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, cwd="/")
    assert found.stdout == b"[1.0, 2.0]\n"
    land_values(Path("e.h5"), [1.0, 3.0])  # of the same length
    with pytest.raises(StorageError, match="was replaced since it was loaded"):
        pickle.loads((tmp_path / "pickled").read_bytes())
    Path("e.h5").unlink()
    with pytest.raises(StorageError, match="No such file"):
        pickle.loads((tmp_path / "pickled").read_bytes())


@pytest.mark.parametrize("n_kept", [None, -5000], ids=["whole", "cut"])
def test_a_file_of_a_later_format_is_refused_with_that_reason(tmp_path, n_kept):
    land_values(path := tmp_path / "e.h5", np.arange(10_000.0))
    content = path.read_bytes()
    path.write_bytes(content[:n_kept][:-1] + b"3" if n_kept is None else content[:n_kept] + LATER)
    with pytest.raises(LaterFormatError, match=r"format 3, .* up to 2") as told:
        load(path)
    assert "damaged" not in str(told.value)


IDS = [2**60 + 1, 2**60 + 2, -(2**63), 2**63 - 1]


@pytest.mark.parametrize("offset", [0, 2**63], ids=["signed", "unsigned"])
def test_integers_that_missing_points_round_are_named_and_can_be_had_exactly(project, offset):
    def ids(i):
        if i == len(IDS):
            raise RuntimeError("no id")
        return {"id": np.uint64(IDS[i] + offset) if offset else IDS[i], "small": i}

    made = experiment(grid(i=range(len(IDS) + 1)), name="ids")(ids)
    with pytest.warns(UserWarning, match="rounded in 'id', because"):
        made.run(engine="serial")
    with pytest.warns(UserWarning, match="masked=False"):
        package.load("ids")
    found = package.load("ids", masked=False).id
    assert found.values[:-1].tolist() == [each + offset for each in IDS]
    assert found.values[-1] == found.attrs["_FillValue"]
    seen = show.view(Path("results/ids.h5"))
    assert [row[1] for row in seen.rows[:-1]] == [each + offset for each in IDS]
    assert (seen.outputs[0].min, seen.outputs[0].max) == (min(IDS) + offset, max(IDS) + offset)


@pytest.mark.filterwarnings("error:integers", "ignore:1 of 3 points")
def test_integers_that_floats_have_are_no_reason_to_warn(project):
    made = experiment(grid(i=[0, 1, 2]), name="ids")(lambda i: 2**60 // i)
    assert made.run(engine="serial").ids.values[1:].tolist() == [2.0**60, 2.0**59]


@pytest.mark.parametrize(
    "values",
    [[2**60 + 1, 0.5], [0.5, 2**60 + 1], [np.uint64(2**63 + 1), -1], [[2**60 + 1], [0.5]]],
    ids=str,
)
def test_integers_beside_floats_or_unsigned_ones_are_not_rounded_silently(project, values):
    made = experiment(grid(i=[0, 1]), name="mixed")(lambda i: values[i])
    with pytest.warns(UserWarning, match="rounded in 'mixed' of 'mixed', because other points"):
        made.run(engine="serial")


def test_small_integers_beside_floats_are_what_they_were(project, recwarn):
    made = experiment(grid(i=[0, 1]), name="mixed")(lambda i: [1, 0.5][i])
    assert made.run(engine="serial").mixed.values.tolist() == [1.0, 0.5]
    assert not recwarn.list


def test_a_program_that_ends_while_it_reads_lazily_ends_well(tmp_path):
    xr.Dataset({"y": ("x", [1.0, 2.0])}).to_netcdf(tmp_path / "made.h5", engine="h5netcdf")
    program = (
        "from pathlib import Path\n"
        "from sweeps.storage import dataset\n"
        "held = dataset.load(Path('made.h5'), is_lazy=True)\n"
        "print(float(held.y[1]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "2.0\n")
