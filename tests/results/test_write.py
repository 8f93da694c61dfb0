"""The results file: what lands is what every reader reads."""

import contextlib
import errno
import math
import os
import resource
import shutil
import subprocess
import tracemalloc
import warnings

import h5py
import hypothesis.extra.numpy as npst
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from sweeps.errors import OutputError, StorageError, SummaryError
from sweeps.results import datasets
from sweeps.results.contents import Arrays, Coordinate, Failures, Output, Sheet, Summary
from sweeps.results.write import land
from sweeps.signals import Interrupted
from sweeps.storage.dataset import load
from sweeps.storage.hdf5_foreign import read_attributes
from tests.sizes import examples

NO_FAILURES = Failures(np.array([], int), [], [], [], [], np.array([], int))
ENGINES = ["h5netcdf", "netcdf4"]

SAMPLES = {
    **{dtype: np.array([1.5, -2.0, 0.1, np.inf], dtype) for dtype in ("f4", "f8")},
    **{dtype: np.array([1 + 2j, -1j, 0.1, 3], dtype) for dtype in ("c8", "c16")},
    **{f"i{n}": np.array([0, 1, -128, 127], f"i{n}") for n in (1, 2, 4, 8)},
    **{f"u{n}": np.array([0, 1, 254, 255], f"u{n}") for n in (1, 2, 4, 8)},
    "bool": np.array([True, False, True, True]),
    "str": np.array(["plain", "é 日本 😀", "two\nlines", "x"], object),
    "days": np.array(["1969-07-20", "2000-02-29", "2038-01-20", "1700-01-01"], "M8[D]"),
    "microseconds": np.array(
        ["1969-07-20T20:17:40", "2000-01-01T00:00:00.000001", "2200-01-01", "1970-01-01"], "M8[us]"
    ),
    "differences": np.array([0, -1, 86_400_000_000, 2**62], "m8[us]"),
}
MASK = np.array([False, True, False, True])


def output(name, values, sizes, mask=None, dims=None, **attrs):
    """Make the output whose values, over the space and its own dimensions, are given in full."""
    n = len(sizes)
    own = values.shape[n:]
    flat = values.reshape(math.prod(values.shape[:n]), *own)
    missing = None if mask is None else mask.reshape(len(flat), *mask.shape[n:])
    return Output(
        name=name,
        dtype=values.dtype,
        dims=tuple(f"{name}_{i}" for i in range(len(own))) if dims is None else dims,
        shape=own,
        attrs=attrs,
        has_missing=mask is not None and bool(mask.any()),
        read=lambda start, stop: (
            flat[start:stop],
            None if missing is None else missing[start:stop],
        ),
    )


def sheet(sizes, coordinates=(), outputs=(), failures=NO_FAILURES, **attributes):
    return Sheet(
        sizes=sizes,
        coordinates=coordinates,
        outputs=outputs,
        status=lambda start, stop: (np.arange(start, stop) % 4).astype(np.int8),
        elapsed=lambda start, stop: np.arange(start, stop, dtype=np.float32),
        failures=failures,
        attributes=attributes,
    )


def read(path, engine, group=None):
    """Read as anybody would, and let no warning pass."""
    options = {"auto_complex": True} if engine == "netcdf4" else {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with xr.open_dataset(path, engine=engine, group=group, **options) as dataset:
            return dataset.load()


def read_alike(path, group=None):
    netcdf4 = pytest.importorskip("netCDF4")
    with h5py.File(path) as file:
        own = file if group is None else file[group]
        has_complex = any(getattr(d, "dtype", None) in ("c8", "c16") for d in own.values())
        if has_complex and tuple(map(int, netcdf4.__version__.split(".")[:3])) < (1, 7, 2):
            pytest.skip("netCDF-C before 4.9.3 leaves out complex numbers")
    one, other = (read(path, engine, group) for engine in ENGINES)
    xr.testing.assert_identical(one, other)
    assert list(one.variables) == list(other.variables)
    for name in one.variables:
        assert one[name].dtype == other[name].dtype
        assert one[name].dims == other[name].dims
    return one


def ncdump(path, *options):
    if shutil.which("ncdump") is None:
        pytest.skip("ncdump is not installed")
    done = subprocess.run(["ncdump", *options, path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def assert_alike(found, expected):
    """Compare values; in objects a NaN is equal to a NaN."""
    if expected.dtype.kind == "O":
        found, expected = (np.where(a != a, None, a) for a in (found, expected))
    np.testing.assert_array_equal(found, expected)


def masked(values, mask):
    """What a reader of missing values sees: NaN, whatever dtype that takes."""
    if values.dtype.kind in "mM":
        return np.where(mask, values.dtype.type("NaT"), values)
    if values.dtype.kind == "O":
        return np.where(mask, np.nan, values)
    return np.where(mask, np.nan, values.astype(np.promote_types(values.dtype, "f4")))


@pytest.mark.parametrize("mask", [None, MASK], ids=["whole", "missing"])
def test_every_engine_reads_an_output_as_it_was(tmp_path, mask):
    land(
        tmp_path / "a.h5",
        sheet(
            {"x": 4},
            [],
            [
                output(name, values, {"x": 4}, mask, units="m", long_name="why")
                for name, values in SAMPLES.items()
            ],
        ),
    )
    dataset = read_alike(tmp_path / "a.h5")
    for name, values in SAMPLES.items():
        found = dataset[name]
        if values.dtype.kind in "mM":  # whose units are not the user's
            assert found.attrs == {"long_name": "why"}
        else:
            assert found.attrs == {"units": "m", "long_name": "why"}
        expected = values if mask is None else masked(values, mask)
        assert_alike(found.values, expected)
        if mask is None and values.dtype.kind not in "OmM":
            assert found.dtype == values.dtype
    ncdump(tmp_path / "a.h5")


@pytest.mark.parametrize("mask", [None, MASK], ids=["whole", "missing"])
def test_every_engine_reads_a_coordinate_as_it_was(tmp_path, mask):
    """As the values of an axis, along the axis of another, and as a scalar."""
    role_dims = {"axis": ("own",), "along": ("x",), "scalar": ()}
    for dtype, values in SAMPLES.items():
        coordinates, expected = [], {}
        for role, dims in role_dims.items():
            name = "own" if role == "axis" else role
            given, gaps = (values, mask) if dims else (values[1:2].reshape(()), mask)
            gaps = gaps if dims or mask is None else np.array(True)
            coordinates.append(Coordinate(name, dims, given, gaps, {"long_name": "a coordinate"}))
            expected[name] = given if gaps is None else masked(given, gaps)
        y = output("y", np.arange(16.0).reshape(4, 4), {"own": 4, "x": 4})
        land(tmp_path / f"{dtype}.h5", sheet({"own": 4, "x": 4}, coordinates, [y]))
        found = read_alike(tmp_path / f"{dtype}.h5")
        assert set(found.coords) == set(found.y.coords) == set(expected)
        for coordinate in coordinates:
            own = found[coordinate.name]
            assert own.dims == coordinate.dims
            assert own.attrs == {"long_name": "a coordinate"}
            assert_alike(own.values, expected[coordinate.name])
        ncdump(tmp_path / f"{dtype}.h5")


def test_complex_shows_its_parts_to_a_netcdf4_engine_not_asked_for_complex(tmp_path):
    pytest.importorskip("netCDF4")
    values = SAMPLES["c16"]
    land(tmp_path / "a.h5", sheet({"x": 4}, [], [output("z", values, {"x": 4})]))
    with xr.open_dataset(tmp_path / "a.h5", engine="netcdf4") as dataset:
        np.testing.assert_array_equal(dataset.z.values["r"], values.real)
        np.testing.assert_array_equal(dataset.z.values["i"], values.imag)


@pytest.mark.parametrize(
    ("dtype", "real"),
    [
        ("u1", list(range(256))),  # an image uses every byte
        ("u2", [0, 1, 65535]),  # netCDF's default fill value, and a saturated camera
        ("i4", [-(2**31), -(2**31) + 1, 2**31 - 1]),
        ("i8", [-(2**63), 0]),  # netCDF's default fill value, when both are made floats
        ("u8", [2**64 - 1, 0]),
        ("O", ["", "missing"]),
    ],
)
def test_no_value_is_mistaken_for_a_missing_one(tmp_path, dtype, real):
    values = np.array([*real, real[0]], dtype)
    mask = np.arange(len(values)) == len(real)
    sizes = {"x": len(values)}
    land(tmp_path / "a.h5", sheet(sizes, [], [output("y", values, sizes, mask)]))
    np.testing.assert_array_equal(read_alike(tmp_path / "a.h5").y.isnull(), mask)
    with h5py.File(tmp_path / "a.h5") as file:
        raw = file["y"].asstr()[:] if dtype == "O" else file["y"][:]
    assert raw[:-1].tolist() == real


@pytest.mark.parametrize(
    "real",
    [
        np.array([-(2**63), -(2**63) + 1, -(2**63) + 1024, 2**63 - 1]),
        np.array([2**64 - 1, 2**64 - 2048, 2**64 - 2049, 0], "u8"),
        np.array(["", "missing", "<missing>", "<missing 2>"], object),
        np.arange(-(2**63), -(2**63) + 5000 * 1024, 1024),
    ],
    ids=["both ends", "unsigned", "text", "many"],
)
def test_there_is_always_a_fill_value_that_no_value_has(tmp_path, real):
    """For whatever a failed point stands beside, all others land."""
    values = np.concatenate([real, real[:1]])
    mask = np.arange(len(values)) == len(real)
    sizes = {"x": len(values)}
    land(tmp_path / "a.h5", sheet(sizes, [], [output("y", values, sizes, mask)]))
    np.testing.assert_array_equal(read_alike(tmp_path / "a.h5").y.isnull(), mask)
    exact = load(tmp_path / "a.h5", masked=False).y
    assert exact.values[:-1].tolist() == real.tolist()
    if real.dtype != object:
        fill = exact.attrs["_FillValue"]
        assert int(float(fill)) == fill == exact.values[-1]


def test_a_mask_that_was_not_announced_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="has_missing is False"):
        one = output("y", np.arange(4), {"x": 4}, MASK)
        land(
            tmp_path / "a.h5", sheet({"x": 4}, [], [Output(**{**vars(one), "has_missing": False})])
        )


@pytest.mark.parametrize(
    "values", [np.array(["2000-01-01", "NaT"], "M8[us]"), np.array([1, "NaT"], "m8[us]")]
)
def test_times_may_be_missing_without_notice(tmp_path, values):
    land(tmp_path / "a.h5", sheet({"x": 2}, [], [output("y", values, {"x": 2})]))
    np.testing.assert_array_equal(read_alike(tmp_path / "a.h5").y, values)


@pytest.mark.parametrize("n_dims", [0, 1, 3])
def test_own_dimensions_follow_those_of_the_space(tmp_path, n_dims):
    sizes = dict(zip("abc"[:n_dims], (2, 3, 4), strict=False))
    shape = tuple(sizes.values())
    rng = np.random.default_rng(1)
    scalar, vector, matrix = (rng.random(shape + own) for own in ((), (5,), (5, 6)))
    count = np.full(shape, 5)
    outputs = [
        output("scalar", scalar, sizes),
        output("vector", vector, sizes, dims=("time",)),
        output("matrix", matrix, sizes, dims=("time", "bin")),
        output("vector_count", count, sizes),
    ]
    time = Coordinate("time", ("time",), np.arange(5.0), None, {"units": "s"})
    place = Coordinate("place", (), np.array("here"))
    label = Coordinate("label", ("bin",), np.array(list("uvwxyz")))
    land(tmp_path / "a.h5", sheet(sizes, [time, place, label], outputs))
    found = read_alike(tmp_path / "a.h5")
    assert found.matrix.dims == (*sizes, "time", "bin")
    assert set(found.coords) == {"time", "place", "label"}
    assert set(found.matrix.coords) == {"time", "place", "label"}
    assert set(found.scalar.coords) == {"place"}
    for one, values in (("scalar", scalar), ("vector", vector), ("matrix", matrix)):
        np.testing.assert_array_equal(found[one], values)
    ncdump(tmp_path / "a.h5")


def test_missing_elements_of_a_ragged_output_are_nan(tmp_path):
    values = np.arange(6.0).reshape(2, 3)
    mask = np.array([[False, False, True], [True, True, True]])
    land(tmp_path / "a.h5", sheet({"x": 2}, [], [output("y", values, {"x": 2}, mask)]))
    np.testing.assert_array_equal(read_alike(tmp_path / "a.h5").y, np.where(mask, np.nan, values))


def test_auxiliary_coordinates_of_listed_points(tmp_path):
    sizes = {"point": 3}
    coordinates = [Coordinate(name, ("point",), np.arange(3.0)) for name in ("mass", "speed")]
    land(tmp_path / "a.h5", sheet(sizes, coordinates, [output("y", np.arange(3), sizes)]))
    found = read_alike(tmp_path / "a.h5")
    assert set(found.y.coords) == {"mass", "speed"}
    assert 'y:coordinates = "mass speed"' in ncdump(tmp_path / "a.h5", "-h")


def test_plain_h5py_sees_labelled_axes(tmp_path):
    sizes = {"x": 2, "y": 3}
    x = Coordinate("x", ("x",), np.array([0.5, 1.5]), None, {"units": "m"})
    land(tmp_path / "a.h5", sheet(sizes, [x], [output("z", np.zeros((2, 3)), sizes)]))
    with h5py.File(tmp_path / "a.h5") as file:
        assert [dim.keys() for dim in file["z"].dims] == [["x"], [f"{_no_variable(3)}"]]
        assert file["z"].dims[0][0][:].tolist() == [0.5, 1.5]
        assert file["x"].is_scale
        assert [dim[0].name for dim in file["_sweeps/status"].dims] == ["/x", "/y"]
        assert (file["z"].chunks, file["z"].compression) == (None, None)
        assert set(file) == {"x", "y", "z", "_sweeps"}


def wide(path, n_outputs):
    """Land many outputs, some of which have a dimension of their own."""
    values = np.arange(6.0).reshape(3, 2)
    x = Coordinate("x", ("x",), np.arange(3), None, {})
    flat = [output(f"y{i}", values[:, 0] + i, (3,)) for i in range(n_outputs)]
    land(path, sheet({"x": 3}, [x], [*flat, output("z", values, (3,))]))
    return path


def test_datasets_and_dimensions_refer_to_each_other(tmp_path):
    with h5py.File(wide(tmp_path / "a.h5", 3), "r") as file:
        for name in "y0", "y1", "y2", "z", "_sweeps/status", "_sweeps/elapsed":
            assert h5py.h5ds.is_attached(file[name].id, file["x"].id, 0)
        assert h5py.h5ds.is_attached(file["z"].id, file["z_0"].id, 1)
        assert not h5py.h5ds.is_attached(file["z"].id, file["x"].id, 1)


def test_a_file_grows_in_proportion_to_its_outputs(tmp_path):
    few, many = (wide(tmp_path / f"{n}.h5", n).stat().st_size for n in (60, 240))
    assert many < 5 * few


def _no_variable(size):
    """What netCDF-C writes: DIM_WITHOUT_VARIABLE of nc4internal.h, and the size in 10 places."""
    return f"This is a netCDF dimension but not a netCDF variable.{size:10d}"


def test_thirty_attributes_and_twenty_variables_keep_their_order(tmp_path):
    """h5py's #1385: HDF5 lost attributes beyond the eighth where order is tracked."""
    names = [f"y{i}" for i in range(20)]
    attrs = {f"{'zyx'[i % 3]}{i}": i for i in range(30)}
    outputs = [output(name, np.arange(3), {"x": 3}, **attrs) for name in names]
    x = Coordinate("x", ("x",), np.arange(3), None, attrs)
    land(tmp_path / "a.h5", sheet({"x": 3}, [x], outputs, **attrs))
    found = read_alike(tmp_path / "a.h5")
    assert list(found.data_vars) == names
    for target in (found.x, *(found[name] for name in names)):
        assert list(target.attrs.items()) == list(attrs.items())
    assert list(found.attrs.items()) == [("Conventions", "CF-1.11"), *attrs.items()]
    ncdump(tmp_path / "a.h5")


def test_provenance_of_any_size_and_kind(tmp_path):
    given = {
        "source": "é" * 100_000,  # beyond the 64 KiB of an HDF5 object header
        "nothing": "",
        "odd": "nul \0 half \ud800",
        "version": 3,
        "seed": 2**127,
        "speed": 0.1,
        "flag": True,
    }
    land(tmp_path / "a.h5", sheet({"x": 1}, **given))
    assert read_attributes(tmp_path / "a.h5").keys() == {"Conventions", *given} - {"source"}
    told = load(tmp_path / "a.h5").attrs
    assert told == {
        **given,
        "Conventions": "CF-1.11",
        "odd": r"nul \x00 half \ud800",
        "seed": str(2**127),
        "flag": 1,
    }
    del told["source"]
    assert read_alike(tmp_path / "a.h5").attrs == told
    for engine in ENGINES:
        assert read(tmp_path / "a.h5", engine, "_sweeps").source == given["source"]
    assert len(ncdump(tmp_path / "a.h5", "-h").splitlines()) < 40


@pytest.mark.parametrize("units", ["seconds", "days", "s", "m s-1"])
def test_units_of_time_leave_floats_alone(tmp_path, units):
    values = np.array([0.1, 1e-12])
    land(tmp_path / "a.h5", sheet({"x": 2}, [], [output("y", values, {"x": 2}, units=units)]))
    found = read_alike(tmp_path / "a.h5").y
    np.testing.assert_array_equal(found, values)
    assert found.attrs["units"] == {"seconds": "s", "days": "d"}.get(units, units)


def test_bookkeeping_is_a_dataset_of_its_own(tmp_path):
    failures = Failures(
        positions=np.array([2, 6]),
        kind=["exception", "died"],
        type=["ValueError", ""],
        message=["nul \0", "died"],
        traceback=["line\nline", ""],
        attempts=np.array([1, 3]),
    )
    x = Coordinate("x", ("x",), np.arange(2.0))
    land(tmp_path / "a.h5", sheet({"x": 2, "y": 4}, [x], [], failures))
    found = read_alike(tmp_path / "a.h5", group="_sweeps")
    assert found.status.dims == found.elapsed.dims == ("x", "y")
    assert found.status.dtype == found.status.attrs["flag_values"].dtype == np.int8
    assert found.status.attrs["flag_meanings"] == "missing done failed excluded"
    np.testing.assert_array_equal(found.status, [[0, 1, 2, 3]] * 2)
    read_alike(tmp_path / "a.h5", group="_sweeps/failures")
    table = load(tmp_path / "a.h5", group="_sweeps/failures")
    assert table.position.values.tolist() == [2, 6]
    for name, said in {
        "kind": ["exception", "died"],
        "type": ["ValueError", ""],
        "message": [r"nul \x00", "died"],
        "traceback": ["line\nline", ""],
    }.items():
        assert table.texts[table[name]].values.tolist() == said
    assert table.attempts.values.tolist() == [1, 3]
    assert dict(table.sizes) == {"failure": 2, "text": len(set(table.texts.values))}
    ncdump(tmp_path / "a.h5")


@examples(40)
@given(
    values=npst.arrays("i4", npst.array_shapes(max_dims=4, max_side=5)),
    n_space=st.integers(0, 4),
    slab_bytes=st.integers(1, 400),
    data=st.data(),
)
def test_slabs_of_any_size_make_the_same_file(tmp_path_factory, values, n_space, slab_bytes, data):
    folder = tmp_path_factory.mktemp("slabs")
    sizes = dict(zip("abcd", values.shape[:n_space], strict=False))
    mask = data.draw(npst.arrays(bool, values.shape[: len(sizes)]))
    whole = sheet(sizes, [], [output("y", values, sizes, mask)])
    land(folder / "one.h5", whole)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets, "SLAB_BYTES", slab_bytes)
        land(folder / "other.h5", whole)
    one, other = (read(folder / name, "h5netcdf") for name in ("one.h5", "other.h5"))
    xr.testing.assert_identical(one, other)
    shutil.rmtree(folder)


def test_memory_is_bounded_by_slabs(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "SLAB_BYTES", 2**20)
    n_points = 4_000_000  # 32 MB of float64

    def values(start, stop):
        return np.arange(start, stop, dtype=float), np.arange(start, stop) % 7 == 0

    one = Output("y", np.dtype(float), (), (), {}, True, values)
    big = sheet({"x": n_points}, [], [one])
    tracemalloc.start()
    land(tmp_path / "a.h5", big)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    bookkeeping = n_points * (1 + 4)
    assert peak < bookkeeping + 10 * 2**20
    with h5py.File(tmp_path / "a.h5") as file:
        assert np.isnan(file["y"][7])
        assert file["y"][-1] == n_points - 1


@contextlib.contextmanager
def files_at_most(n_bytes):
    """Let the kernel refuse longer files, as a full disk would: EFBIG instead of ENOSPC."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, tmp_path_factory):
    """Wherever it fills; told of a full disk, HDF5 itself ends in a segmentation fault."""
    path = tmp_path / "a.h5"
    n = 2000
    strings = np.array([f"string {i}" for i in range(n)], object)
    outputs = [output("y", np.arange(n) * 1.5, {"x": n}), output("s", strings, {"x": n})]
    land(path, sheet({"x": n}, [], outputs, source="x" * 10_000))
    before = path.read_bytes()
    new = sheet({"x": n}, [], outputs[::-1], source="y" * 10_000)
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "a.h5"
    land(elsewhere, new)
    for n_bytes in range(0, elsewhere.stat().st_size, 1999):
        with files_at_most(n_bytes), pytest.raises(StorageError, match=r"a\.h5.*") as caught:
            land(path, new)
        assert os.strerror(errno.EFBIG) in str(caught.value)
        assert path.read_bytes() == before
        assert list(tmp_path.iterdir()) == [path]


def summary(values, **root_attributes):
    """Make a summary with one variable and its axis."""
    x = Coordinate("x", ("x",), np.arange(len(values)) / 2, None, {"units": "m"})
    y = datasets.as_output(Coordinate("y", ("x",), values))
    return Summary(lambda path: Arrays({}, [x], [y]), {"by": "me"}, "why", root_attributes)


def test_a_summary_is_a_dataset_of_its_own_beside_the_results(tmp_path):
    """Its dimensions and complex types too, though they have the names of others."""
    path = tmp_path / "a.h5"
    x = Coordinate("x", ("x",), np.arange(3.0))
    bare = sheet({"x": 3}, [x], [output("y", np.arange(3) * 1j, {"x": 3})], state="bare")
    land(path, bare)
    before = read_alike(path)
    assert land(path, bare, summary(np.array([1j, 2]), state="full")).failure is None
    xr.testing.assert_identical(read_alike(path), before.assign_attrs(state="full"))
    found = read_alike(path, group="summary")
    assert (found.x.values.tolist(), found.x.attrs) == ([0.0, 0.5], {"units": "m"})
    assert (found.y.values.tolist(), found.attrs) == ([1j, 2], {"by": "me"})
    assert load(path, "summary").attrs == {"by": "me", "source": "why"}
    ncdump(path)


def test_a_summary_is_made_of_the_file_that_will_be(tmp_path):
    seen = []

    def look(path):
        seen.append((path.parent, load(path).y.values.tolist()))
        return Arrays({}, [], [datasets.as_output(Coordinate("n", (), np.array(7)))])

    y = output("y", np.array([1.0, 2.0]), {"x": 2})
    assert (
        land(tmp_path / "a.h5", sheet({"x": 2}, [], [y]), Summary(look, {}, "", {})).failure is None
    )
    assert seen == [(tmp_path, [1.0, 2.0])]
    assert read_alike(tmp_path / "a.h5", group="summary").n == 7


@pytest.mark.parametrize("error", [SummaryError("raised"), OutputError("is nonsense")])
def test_without_its_summary_a_file_is_as_if_there_were_none(tmp_path, error):
    def fail(path):
        raise error

    made = sheet({"x": 1}, state="bare")
    failure = land(tmp_path / "a.h5", made, Summary(fail, {}, "", {"state": "full"})).failure
    assert str(error) in str(failure)
    land(tmp_path / "b.h5", made)
    xr.testing.assert_identical(read_alike(tmp_path / "a.h5"), read_alike(tmp_path / "b.h5"))
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["a.h5", "b.h5"]


def test_whoever_stops_a_summary_stops_the_landing(tmp_path):
    def interrupted(path):
        raise Interrupted

    land(tmp_path / "a.h5", sheet({"x": 1}, first=1))
    with pytest.raises(Interrupted):
        land(tmp_path / "a.h5", sheet({"x": 1}), Summary(interrupted, {}, "", {}))
    assert read_attributes(tmp_path / "a.h5")["first"] == 1
    assert list(tmp_path.iterdir()) == [tmp_path / "a.h5"]


def test_a_disk_that_the_summary_fills_has_the_results_all_the_same(tmp_path):
    """Wherever it fills: the file is one with the summary, or one that never had any."""
    made = sheet({"x": 9}, [], [output("y", np.arange(9.0), {"x": 9})], state="bare")
    added = summary(np.array([f"string {i}" for i in range(500)], object), state="full")
    land(tmp_path / "bare.h5", made)
    land(tmp_path / "full.h5", made, added)
    bare, full = ((tmp_path / name).stat().st_size for name in ("bare.h5", "full.h5"))
    assert full > bare + 10_000
    path, states = tmp_path / "a.h5", []
    for n_bytes in (*range(bare, full, 1499), full):
        with files_at_most(n_bytes):
            failure = land(path, made, added).failure
        found = read(path, "h5netcdf")
        np.testing.assert_array_equal(found.y, np.arange(9.0))
        with h5py.File(path) as file:
            assert ("summary" in file) == (failure is None) == (found.attrs["state"] == "full")
        assert failure is None or os.strerror(errno.EFBIG) in str(failure)
        states.append(found.attrs["state"])
    assert states == sorted(states)
    assert {"bare", "full"} == set(states)
    assert len(list(tmp_path.iterdir())) == 3


def test_an_error_of_the_reader_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.h5"
    land(path, sheet({"x": 1}, first=1))

    def fail(start, stop):
        raise RuntimeError("no segment")

    broken = Output("y", np.dtype(float), (), (), {}, False, fail)
    with pytest.raises(RuntimeError, match="no segment"):
        land(path, sheet({"x": 1}, [], [broken]))
    assert read_attributes(path)["first"] == 1
    assert list(tmp_path.iterdir()) == [path]


def test_a_reader_keeps_the_file_it_opened(tmp_path):
    path = tmp_path / "a.h5"
    land(path, sheet({"x": 2}, [], [output("y", np.array([1.0, 2.0]), {"x": 2})]))
    with xr.open_dataset(path, engine="h5netcdf") as opened:
        land(path, sheet({"x": 2}, [], [output("y", np.array([3.0, 4.0]), {"x": 2})]))
        assert opened.y.values.tolist() == [1.0, 2.0]
    assert load(path).y.values.tolist() == [3.0, 4.0]


@pytest.mark.parametrize(
    ("sizes", "coordinates", "outputs", "message"),
    [
        ({"x": 4}, [], ["x"], "'x' and 'x'"),
        ({"x": 4}, [], ["y", "Y"], "'y' and 'Y'"),
        ({"x": 4}, [], ["_sweeps"], "_sweeps"),
        ({"x": 4}, [], ["a/b"], "'/'"),
        ({"x/y": 4}, [], ["a"], "'/'"),
        ({"x": 4}, [Coordinate("a b", ("x",), np.arange(4))], [], "spaces separate"),
        ({"x": 4}, [Coordinate("x", ("x",), np.arange(3))], [], "3 values along 'x'"),
    ],
)
def test_names_and_sizes_that_clash_are_refused(tmp_path, sizes, coordinates, outputs, message):
    made = [output(name, np.arange(4), sizes) for name in outputs]
    with pytest.raises(OutputError, match=message):
        land(tmp_path / "a.h5", sheet(sizes, coordinates, made))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("dims", [("x",), ("t", "t")])
def test_a_dimension_is_used_once(tmp_path, dims):
    values = np.zeros((4, *[4 for _ in dims]))
    with pytest.raises(OutputError, match="same name"):
        land(tmp_path / "a.h5", sheet({"x": 4}, [], [output("y", values, {"x": 4}, dims=dims)]))
